import { texts } from '../lib/language.svelte'

export const servers = texts('servers')

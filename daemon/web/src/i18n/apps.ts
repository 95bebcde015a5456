import { texts } from '../lib/language.svelte'

export const apps = texts('apps')

import { texts } from '../lib/language.svelte'

export const host = texts('host')

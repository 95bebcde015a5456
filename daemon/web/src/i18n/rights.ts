import { texts } from '../lib/language.svelte'

export const rights = texts('rights')

import { texts } from '../lib/language.svelte'

export const words = texts('words')

import { texts } from '../lib/language.svelte'

export const updates = texts('updates')

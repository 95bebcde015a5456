import { texts } from '../lib/language.svelte'

export const backups = texts('backups')

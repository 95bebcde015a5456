import { texts } from '../lib/language.svelte'

export const admin = texts('admin')

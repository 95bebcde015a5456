import { texts } from '../lib/language.svelte'
import { homes as de } from './de/homes'
import { homes as en } from './en/homes'

export const homes = texts({ en, de })

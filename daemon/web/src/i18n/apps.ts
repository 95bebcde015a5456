import { texts } from '../lib/language.svelte'
import { apps as de } from './de/apps'
import { apps as en } from './en/apps'

export const apps = texts({ en, de })

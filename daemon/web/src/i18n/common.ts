import { texts } from '../lib/language.svelte'
import { common as de } from './de/common'
import { common as en } from './en/common'

export const common = texts({ en, de })

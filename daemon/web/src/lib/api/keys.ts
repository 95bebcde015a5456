/** `atek.cloud/keys-api`: the recovery words of the box, and keys that are locked. */

import { call } from '../rpc'

const API = 'atek.cloud/keys-api'

export interface SeedState {
  exists: boolean
  /** Whether two of the words were typed. */
  confirmed: boolean
  /** Whether the password of who asks opens them. */
  holder: boolean
}

export interface Words {
  words: string[]
  /** Rows of `0` and `1`: the words as a QR code. */
  qr: string[]
}

export interface KeyList {
  keys: { id: string }[]
  /** Until the person signs in with the password that opens them. */
  locked: boolean
}

export const keys = () => call<KeyList>(API, 'list', [])
/** What an app asks to do with a key. */
export interface KeyRequest {
  id: string
  /** The app's key. */
  app: string
  keyName: string | null
  operation: 'sign' | 'decrypt'
  meaning: string
  /** In English: completes "this app wants to". */
  words: string
  fields: { name: string; value: string }[]
  /** Whether a yes is for this one only. */
  onceOnly: boolean
}

export const keyRequests = (signal?: AbortSignal) =>
  call<{ requests: KeyRequest[] }>(API, 'pending', [], signal).then(({ requests }) => requests)
export const answerKeyRequest = (request: string, choice: 'once' | 'hour' | 'always' | 'deny') =>
  call<null>(API, 'answer', [{ request, choice }])
export const seed = () => call<SeedState>(API, 'seed', [])
/** Shown until they are confirmed. */
export const words = (password: string) => call<Words>(API, 'words', [{ password }])
/** `typed`: some of the words by their places, counted from 1. */
export const confirm = (password: string, typed: Record<string, string>) =>
  call<null>(API, 'confirm', [{ password, words: typed }])

/** How hard a password is to guess, and which ones the forms refuse. The host itself refuses only short ones. */

import { shortestPassword } from './shortest-password.svelte'

export type Weakness = 'short' | 'common' | 'personal' | 'repeated' | 'sequence' | 'plain'

export interface Strength {
  /** 0 (would be guessed at once) to 4 (will not be guessed). */
  score: 0 | 1 | 2 | 3 | 4
  /** What to mend first; `null` if nothing stands out. */
  weakness: Weakness | null
}

/** Beginnings and wholes of what people choose, from the lists that guessers try first. */
const COMMON = (
  '123456 1234567 12345678 123456789 1234567890 111111 000000 121212 654321 666666 987654321 password passwort ' +
  'passwd qwerty qwertz qwertyuiop qwertzuiop asdfgh asdfghjkl yxcvbn zxcvbn 1q2w3e4r qazwsx abc123 abcdef admin ' +
  'administrator root letmein welcome willkommen hallo hello iloveyou ichliebedich schatz monkey dragon football ' +
  'fussball baseball master shadow sunshine princess superman batman trustno1 starwars computer internet michael ' +
  'jordan daniel summer sommer winter freedom whatever secret geheim changeme default raspberry raspberrypi server ' +
  'homeserver atek'
).split(' ')

const ROWS = [
  'abcdefghijklmnopqrstuvwxyz',
  '01234567890',
  'qwertyuiop',
  'qwertzuiop',
  'asdfghjkl',
  'zxcvbnm',
  'yxcvbnm'
]

/** What keeps a new password from being taken: every form asks the same. `null`: nothing. */
export function passwordProblem(password: string, personal: readonly string[] = []): 'short' | 'weak' | null {
  const { score, weakness } = strength(password, personal)
  if (weakness === 'short') return 'short'
  return score === 0 ? 'weak' : null
}

/** Estimates `password`. `personal` are words that a guesser would know: the user's name, the name of the box. */
export function strength(password: string, personal: readonly string[] = []): Strength {
  const characters = [...password]
  if (characters.length < shortestPassword.length) return { score: 0, weakness: 'short' }
  const plain = unleet(password.toLowerCase())
  const common = longestIn(plain, COMMON)
  const own = longestIn(
    plain,
    personal.map((word) => word.toLowerCase()).filter((word) => word.length >= 3)
  )
  const repeated = longestRepeat(plain)
  const sequence = longestSequence(plain)
  // What a guesser's list holds counts as one character and a half, however long it is.
  const known = [common, own, repeated, sequence].map((length) => Math.max(0, length - 1.5))
  const bits =
    Math.max(0, characters.length - Math.max(...known)) *
    bitsOf(password, Math.max(...known) * 2 > characters.length)
  const score = grade(bits)
  return {
    score,
    weakness: score >= 4 ? null : weakness({ common, own, repeated, sequence }, characters.length)
  }
}

function grade(bits: number): Strength['score'] {
  if (bits < 28) return 0
  if (bits < 40) return 1
  if (bits < 52) return 2
  if (bits < 66) return 3
  return 4
}

interface Found {
  common: number
  own: number
  repeated: number
  sequence: number
}

function weakness(found: Found, length: number): Weakness {
  if (found.own * 3 >= length) return 'personal'
  if (found.common * 3 >= length) return 'common'
  if (found.repeated * 2 >= length) return 'repeated'
  if (found.sequence * 2 >= length) return 'sequence'
  return 'plain'
}

/** Bits a character; capitals and signs in a word that is known anyway add next to nothing. */
function bitsOf(password: string, mostlyKnown: boolean): number {
  return Math.log2(alphabet(mostlyKnown ? password.toLowerCase() : password))
}

/** The size of the set that the characters are drawn from. */
function alphabet(password: string): number {
  let size = 0
  if (/\p{Ll}/u.test(password)) size += 26
  if (/\p{Lu}/u.test(password)) size += 26
  if (/\p{Nd}/u.test(password)) size += 10
  if (/[^\p{L}\p{Nd}]/u.test(password)) size += 20
  return Math.max(size, 10)
}

/** `p4$$w0rd` is guessed as soon as `password`. */
function unleet(text: string): string {
  const letters: Record<string, string> = { '4': 'a', '@': 'a', '3': 'e', '0': 'o', $: 's', '5': 's' }
  // A run of digits is a number, not letters in disguise.
  return /^\d+$/.test(text) ? text : text.replace(/[@$]|(?<!\d)[4305](?!\d)/g, (c) => letters[c] ?? c)
}

function longestIn(text: string, words: readonly string[]): number {
  return Math.max(0, ...words.filter((word) => text.includes(word)).map((word) => word.length))
}

/** The length of the longest stretch that repeats one piece: `aaaa`, `abcabcabc`. */
function longestRepeat(text: string): number {
  const runs = [...text.matchAll(/(.{1,4})\1{2,}/gu)].map((match) => match[0].length)
  const halves = text.length % 2 === 0 && text.slice(0, text.length / 2) === text.slice(text.length / 2)
  return Math.max(0, halves ? text.length / 2 : 0, ...runs)
}

/** The length of the longest stretch that runs along the alphabet, the digits or a row of keys. */
function longestSequence(text: string): number {
  const rows = ROWS.flatMap((row) => [row, [...row].toReversed().join('')])
  let longest = 0
  for (let start = 0; start < text.length; start += 1) {
    for (let end = text.length; end - start > Math.max(longest, 2); end -= 1) {
      if (rows.some((row) => row.includes(text.slice(start, end)))) longest = end - start
    }
  }
  return longest
}

/** What an app asks for, in the person's language. No DOM. */

import { isRecord } from '../lib/rpc'

/** The sentences; each completes "this app may". */
export interface PermissionTexts {
  hosts: (names: string) => string
  direct: string
  directLan: string
  apis: Readonly<Record<string, string>>
  api: (id: string) => string
}

/**
 * The sentences for `asks`, or the host's own `words` where this page does not know everything that is asked for:
 * nothing may be granted unseen.
 */
export function permissionWords(
  asks: Readonly<Record<string, unknown>>,
  words: readonly string[],
  texts: PermissionTexts,
  language: string
): readonly string[] {
  const { network, hostApis, ...unknown } = asks
  const said = [...networkWords(network, texts, language), ...apiWords(hostApis, texts)]
  const isKnown = Object.keys(unknown).length === 0 && said.every((sentence) => sentence !== null)
  return isKnown && said.length === words.length ? said : words
}

function networkWords(network: unknown, texts: PermissionTexts, language: string): (string | null)[] {
  if (network === undefined) return []
  if (network === 'direct') return [texts.direct]
  if (!isRecord(network) || Object.keys(network).length !== 1) return [null]
  const { hosts, direct } = network
  if (Array.isArray(hosts) && hosts.every((host) => typeof host === 'string')) {
    return [texts.hosts(new Intl.ListFormat(language, { type: 'conjunction' }).format(hosts))]
  }
  if (isRecord(direct) && Object.keys(direct).every((name) => name === 'lan')) {
    return [direct.lan === true ? texts.directLan : texts.direct]
  }
  return [null]
}

function apiWords(apis: unknown, texts: PermissionTexts): (string | null)[] {
  if (apis === undefined) return []
  if (!Array.isArray(apis)) return [null]
  return apis.map((api) => {
    if (typeof api !== 'string') return null
    return (Object.hasOwn(texts.apis, api) ? texts.apis[api] : undefined) ?? texts.api(api)
  })
}

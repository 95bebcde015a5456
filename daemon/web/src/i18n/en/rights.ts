/** Texts about permissions that are decided one by one, about shares and groups. */
export const rights = {
  may: (words: string) => words,
  mayNot: (words: string) => `blocked: ${words}`,
  internet: 'connect to any computer on the internet',
  home: 'connect to devices in your home',
  provider: (api: string, name: string) => `use ${api} from ${name}`,
  anyProvider: (api: string) => `use an app that provides ${api}`,
  readDatabase: (name: string) => `read the database ${name}`,
  writeDatabase: (name: string) => `read and change the database ${name}`,
  anyReadDatabase: 'read one of your databases',
  anyWriteDatabase: 'read and change one of your databases',
  readFolder: (name: string) => `read the folder ${name}`,
  writeFolder: (name: string) => `read and change the folder ${name}`,
  anyReadFolder: 'read a folder of another of your apps',
  anyWriteFolder: 'read and change a folder of another of your apps',
  anyDevice: 'use a device of this box',
  danger: {
    low: '',
    medium: 'Allow this only if you trust the app.',
    high: 'Careful: this gives the app a lot of power.'
  },
  requests: {
    title: 'An app is asking for your permission',
    unaskedTitle: 'A stored permission needs your answer',
    unaskedAsks: (app: string) => `May ${app} do this?`,
    asks: (app: string) => `${app} would like to:`,
    reason: (reason: string) => `Its reason: “${reason}”`,
    noReason: 'It gives no reason.',
    unasked:
      'This was stored as granted in the past, but you were never asked. The app cannot use it until you allow it.',
    pick: 'Use this one',
    noChoice: 'There is nothing on this box for it to use.',
    needsAdmin: 'Only an administrator of this box can allow this.',
    once: 'Allow for 5 minutes',
    hour: 'Allow for an hour',
    always: 'Always allow',
    deny: 'Don’t allow',
    later: (count: number) =>
      count === 1 ? 'One more request is waiting.' : `${count} more requests are waiting.`,
    failed: 'Your answer was not saved',
    keys: {
      title: 'An app wants to use one of your keys',
      asks: (app: string, key: string) => `${app} asks to use the key “${key}”.`,
      decrypt: 'It would read a message that was encrypted for you.',
      meanings: {
        'ethereum-transaction': 'This sends money or calls a contract.',
        'ethereum-typed-data': 'A contract may act on this signature, also to move money.',
        login: 'This signs you in somewhere.',
        message: 'Others can check that the message is yours.',
        'nostr-event': 'This is published in your name.',
        unknown: 'This box cannot read what would be signed.'
      } as Record<string, string>,
      fields: {
        chain: 'Network',
        to: 'To',
        amount: 'Amount',
        fee: 'Fee',
        nonce: 'Number',
        call: 'Call',
        data: 'Data',
        'access-list': 'Access list',
        account: 'Account',
        site: 'Site',
        text: 'Text',
        kind: 'Kind',
        tag: 'Tag',
        bytes: 'Bytes',
        domain: 'For',
        contract: 'Contract',
        version: 'Version',
        salt: 'Salt',
        type: 'Type'
      } as Record<string, string>,
      danger:
        'Allow this only if you began it yourself and every value is what you expect. It cannot be taken back.',
      once: 'Allow this once'
    }
  },
  list: {
    by: 'Decided by',
    since: 'Since',
    until: 'Until',
    forever: 'no time limit',
    used: 'Used',
    never: 'never',
    notCounted: 'not counted',
    times: (count: number, last: string) => `${count === 1 ? 'once' : `${count} times`}, last ${last}`,
    notKnown: 'not recorded',
    host: 'the command line',
    actions: 'Actions',
    revoke: 'Revoke',
    liftOf: (what: string, app: string) => `Lift for ${app}: ${what}`,
    lift: 'Lift',
    revokeOf: (words: string, app: string) => `Revoke from ${app}: ${words}`,
    revoked: 'The permission was revoked',
    failed: 'The permission was not changed'
  },
  more: {
    title: 'Allow or block a host',
    text: 'You can allow this app more than it asks for, or block it from a host. It takes effect at once.',
    host: 'Host',
    hint: 'For example api.example.org or *.example.org',
    time: 'For how long',
    times: { always: 'Until I revoke it', hour: 'One hour', day: 'One day' },
    allow: 'Allow',
    block: 'Block',
    allowed: (host: string) => `${host} is allowed now`,
    blocked: (host: string) => `${host} is blocked now`
  },
  activity: {
    title: 'Activity',
    ofApp: 'What this app has done',
    text: 'What apps and people did on this box, and what was refused. Apps with full internet access also reach hosts that do not appear here.',
    textOf: (app: string) => `What ${app} did, and what was done with it.`,
    filter: 'Filter',
    search: 'Find an app, a person, a host or an API',
    period: 'Period',
    spans: { hour: 'Last hour', day: 'Last day', week: 'Last week', month: 'Last month' },
    onlyRefused: 'Only what was refused',
    who: 'Who',
    what: 'What',
    outcome: 'Outcome',
    count: 'How often',
    last: 'Last time',
    system: 'The box',
    outcomes: {
      done: 'done',
      failed: 'failed',
      refused: 'refused',
      given: 'allowed',
      denied: 'blocked',
      taken: 'revoked',
      ended: 'expired'
    },
    deeds: {
      many: 'many others',
      call: (method: string, api: string, app: string) =>
        app ? `${method} of ${api} (${app})` : `${method} of ${api}`,
      connection: (api: string, app: string) => `connection to ${api} (${app})`,
      host: (host: string) => `connection to ${host}`,
      page: (app: string) => `open ${app}`,
      permission: (app: string, words: string) => `${app} may: ${words}`,
      share: (app: string, name: string, level: string) =>
        `share ${app} with ${name}${level && `: ${level}`}`,
      password: (name: string, keys: string) => `new password for ${name}: ${keys}`,
      keysAfter: {
        'no keys': 'no keys',
        'keys opened': 'it opens the keys',
        'keys locked': 'the keys are locked'
      }
    },
    block: 'Block this host',
    blockOf: (host: string, app: string) => `Block this host for ${app}: ${host}`,
    more: 'There is more. Narrow it down to see it.',
    none: 'Nothing here',
    noneText: 'Nothing like this happened in this period.',
    failed: 'The activity could not be loaded'
  },
  sharing: {
    title: 'Shared with',
    app: {
      text: 'People you share this app with open it with their own account.',
      notShared: 'You are not sharing this app with anyone.',
      levels: {
        view: 'view it without changing anything',
        use: 'use it',
        manage: 'use it and look after it'
      },
      shared: 'The app is shared',
      ended: 'The app is no longer shared'
    },
    database: {
      text: 'People you share this database with read it in their own apps and here.',
      notShared: 'You are not sharing this database with anyone.',
      levels: { view: 'read it', use: 'read and change it', manage: 'change it and its settings' },
      shared: 'The database is shared',
      ended: 'The database is no longer shared'
    },
    who: 'With',
    level: 'They may',
    group: (name: string) => `Group: ${name}`,
    add: 'Share',
    end: 'Stop sharing',
    endOf: (name: string) => `Stop sharing with ${name}`,
    noOne: 'There is no one else on this box yet.'
  },
  groups: {
    title: 'Groups',
    text: 'A group stands for its members when something is shared.',
    name: 'Name of the group',
    members: 'Members',
    none: 'There are no groups yet.',
    add: 'Add a group',
    change: 'Change',
    changeOf: (name: string) => `Change the group ${name}`,
    remove: 'Remove',
    removeOf: (name: string) => `Remove the group ${name}`,
    actions: 'Actions',
    empty: 'no one',
    failed: 'The group was not changed'
  }
}

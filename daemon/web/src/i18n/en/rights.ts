/** Texts about permissions that are decided one by one, about shares and groups. */
export const rights = {
  may: (words: string) => words,
  mayNot: (words: string) => `not: ${words}`,
  internet: 'connect to any computer on the internet',
  home: 'connect to devices in your home',
  provider: (api: string, name: string) => `use ${api} of ${name}`,
  anyProvider: (api: string) => `use an app that provides ${api}`,
  readDatabase: (name: string) => `read the database ${name}`,
  writeDatabase: (name: string) => `read and change the database ${name}`,
  anyReadDatabase: 'read one of your databases',
  anyWriteDatabase: 'read and change one of your databases',
  danger: {
    low: '',
    medium: 'Allow this only if you trust the app.',
    high: 'Careful: this gives the app a lot of power.'
  },
  requests: {
    title: 'An app asks for your permission',
    unaskedTitle: 'A stored permission needs your answer',
    unaskedAsks: (app: string) => `May ${app} do this?`,
    asks: (app: string) => `${app} would like to:`,
    reason: (reason: string) => `Its reason: “${reason}”`,
    noReason: 'It gives no reason.',
    unasked:
      'This was stored as granted in the past, but you were never asked. The app cannot use it until you allow it.',
    pick: 'Use this one',
    noChoice: 'There is nothing on this box that it could use.',
    needsAdmin: 'Only an administrator of this box can allow this.',
    once: 'Allow for 5 minutes',
    hour: 'Allow for an hour',
    always: 'Always allow',
    deny: 'Don’t allow',
    later: (count: number) =>
      count === 1 ? 'One more request is waiting.' : `${count} more requests are waiting.`,
    failed: 'Your answer was not saved'
  },
  list: {
    by: 'Decided by',
    since: 'Since',
    until: 'Until',
    forever: 'taken back',
    notKnown: 'not recorded',
    host: 'the command line',
    actions: 'Actions',
    revoke: 'Take back',
    liftOf: (what: string, app: string) => `Lift for ${app}: ${what}`,
    lift: 'Lift',
    revokeOf: (words: string, app: string) => `Take back from ${app}: ${words}`,
    revoked: 'The permission was taken back',
    failed: 'The permission was not changed'
  },
  more: {
    title: 'Allow or block a host',
    text: 'You can give this app more than it asks for, or close a host to it. It takes effect at once.',
    host: 'Host',
    hint: 'For example api.example.org or *.example.org',
    time: 'For how long',
    times: { always: 'Until taken back', hour: 'One hour', day: 'One day' },
    allow: 'Allow',
    block: 'Block',
    allowed: (host: string) => `${host} is allowed now`,
    blocked: (host: string) => `${host} is blocked now`
  },
  sharing: {
    title: 'Shared with',
    text: 'People you share this app with open it with their own account.',
    nobody: 'You share this app with no one.',
    who: 'With',
    level: 'They may',
    levels: {
      view: 'look, and change nothing',
      use: 'use it',
      manage: 'use it and look after it'
    },
    group: (name: string) => `Group: ${name}`,
    add: 'Share',
    end: 'Stop sharing',
    endOf: (name: string) => `Stop sharing with ${name}`,
    shared: 'The app is shared',
    ended: 'The app is no longer shared',
    noOne: 'There is nobody else on this box yet.'
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

/** Texts of Lonestar's frame and of the launcher. */
export const lonestar = {
  nav: {
    label: 'Main',
    home: 'Home',
    catalogue: 'Catalogue',
    install: 'Install',
    updates: 'Updates',
    backups: 'Backups',
    users: 'Users',
    permissions: 'Permissions',
    sharing: 'Sharing',
    devices: 'Devices',
    system: 'System',
    account: 'Account',
    more: 'More'
  },
  launcher: {
    title: 'Your apps',
    search: 'Find an app',
    install: 'Install an app',
    details: (name: string) => `About ${name}`,
    found: (count: number) => (count === 1 ? '1 app found' : `${count} apps found`),
    failed: 'Your apps could not be loaded',
    empty: {
      title: 'No apps yet',
      text: 'Choose one from the catalogue below, or install one from a git repository or a folder on this box.'
    },
    nothing: { title: 'No app by that name', text: 'Try another word.' },
    others: 'Other people’s apps on this box',
    noOwner: 'no owner'
  },
  catalogue: {
    title: 'Catalogue',
    text: 'Apps that have been tested on Atek.',
    elsewhere: 'From another source',
    search: 'Find an app in the catalogue',
    categories: 'Categories',
    all: 'All',
    category: {
      automation: 'Automation',
      communication: 'Communication',
      development: 'Development',
      files: 'Files',
      monitoring: 'Monitoring',
      notes: 'Notes',
      tools: 'Tools'
    },
    failed: 'The catalogue could not be loaded',
    old: (name: string) => `“${name}” could not be updated. You are seeing the last good copy.`,
    none: {
      title: 'No catalogue',
      text: 'This box has no catalogue. Apps can still be installed from a git repository.'
    },
    nothing: { title: 'No apps found', text: 'Try another word or another category.' },
    may: (words: string) => `Asks to ${words}`,
    mayNothing: 'Asks for nothing beyond its own data.',
    page: 'About the program',
    screenshot: (name: string) => `${name} in use`,
    install: (name: string) => `Install ${name}`
  },
  frame: {
    leave: 'Back to your apps',
    details: 'About this app',
    direct: 'Open in its own window',
    label: (name: string) => `The app ${name}`,
    failed: 'The app cannot be shown here',
    stopped: (name: string) => `${name} is not running`,
    stoppedText: 'Start it on its page, then come back.',
    nowhere: 'From here, it can only be opened in its own window.'
  },
  skip: 'Skip to content',
  signOut: 'Sign out',
  signedInAs: (name: string) => `Signed in as ${name}`,
  notFound: {
    title: 'Page not found',
    text: 'It may have moved, or there may be a typo in the address.',
    home: 'Go home'
  }
}

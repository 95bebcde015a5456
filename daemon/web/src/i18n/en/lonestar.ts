/** Texts of Lonestar's frame and of the launcher. */
export const lonestar = {
  nav: {
    label: 'Main',
    home: 'Home',
    install: 'Install',
    users: 'Users',
    permissions: 'Permissions',
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
      text: 'Install your first app from a git repository or a folder on this box.'
    },
    nothing: { title: 'No app has this name', text: 'Try another word.' },
    others: 'Other people’s apps on this box',
    nobody: 'nobody'
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

/** Texts of Lonestar's frame and of the launcher. */
export const lonestar = {
  nav: {
    label: 'Main',
    home: 'Home',
    install: 'Install',
    users: 'Users',
    databases: 'Databases',
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
    failed: 'Your apps could not be listed',
    empty: {
      title: 'No apps yet',
      text: 'Install the first one from a git repository or a folder of this box.'
    },
    nothing: { title: 'No app is called that', text: 'Try another word.' },
    others: 'Apps of others on this box',
    nobody: 'nobody'
  },
  frame: {
    leave: 'Back to your apps',
    details: 'About this app',
    direct: 'Open without the frame',
    label: (name: string) => `The app ${name}`,
    failed: 'The app cannot be shown here',
    stopped: (name: string) => `${name} is not running`,
    stoppedText: 'Start it on its page, then open it again.',
    nowhere: 'From here it can only be opened by itself.'
  },
  skip: 'Skip to content',
  signOut: 'Sign out',
  signedInAs: (name: string) => `Signed in as ${name}`,
  notFound: {
    title: 'There is no such page',
    text: 'Maybe it was moved, or the address has a typing error.',
    home: 'Go home'
  }
}

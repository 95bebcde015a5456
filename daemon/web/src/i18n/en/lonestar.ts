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
  skip: 'Skip to content',
  signOut: 'Sign out',
  signedInAs: (name: string) => `Signed in as ${name}`,
  notFound: {
    title: 'There is no such page',
    text: 'Maybe it was moved, or the address has a typing error.',
    home: 'Go home'
  }
}

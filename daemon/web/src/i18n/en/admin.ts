/** Texts of the pages about people, the own account, databases and the box. */
export const admin = {
  users: { title: 'Users' },
  account: { title: 'Your account' },
  databases: { title: 'Databases' },
  system: { title: 'System' }
}

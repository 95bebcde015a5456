import type { admin as english } from '../en/admin'

export const admin: typeof english = {
  users: { title: 'Personen' },
  account: { title: 'Dein Konto' },
  databases: { title: 'Datenbanken' },
  system: { title: 'System' }
}

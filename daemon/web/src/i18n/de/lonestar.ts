import type { lonestar as english } from '../en/lonestar'

export const lonestar: typeof english = {
  nav: {
    label: 'Hauptmenü',
    home: 'Start',
    install: 'Installieren',
    users: 'Personen',
    databases: 'Datenbanken',
    system: 'System',
    account: 'Konto',
    more: 'Mehr'
  },
  skip: 'Zum Inhalt springen',
  signOut: 'Abmelden',
  signedInAs: (name) => `Angemeldet als ${name}`,
  notFound: {
    title: 'Diese Seite gibt es nicht',
    text: 'Vielleicht wurde sie verschoben, oder die Adresse enthält einen Tippfehler.',
    home: 'Zum Start'
  }
}

import type { lonestar as english } from '../en/lonestar'

export const lonestar: typeof english = {
  nav: {
    label: 'Hauptmenü',
    home: 'Start',
    catalogue: 'Katalog',
    install: 'Neue App',
    updates: 'Aktualisierungen',
    backups: 'Sicherungen',
    users: 'Personen',
    permissions: 'Berechtigungen',
    sharing: 'Teilen',
    devices: 'Geräte',
    system: 'System',
    account: 'Konto',
    more: 'Mehr'
  },
  launcher: {
    title: 'Deine Apps',
    search: 'App finden',
    install: 'App installieren',
    details: (name) => `Über ${name}`,
    found: (count) => (count === 1 ? '1 App gefunden' : `${count} Apps gefunden`),
    failed: 'Deine Apps konnten nicht aufgelistet werden',
    empty: {
      title: 'Noch keine Apps',
      text: 'Wähle unten eine aus dem Katalog oder installiere eine aus einem Git-Repository oder einem Ordner dieser Box.'
    },
    nothing: { title: 'So heißt keine App', text: 'Versuche ein anderes Wort.' },
    others: 'Apps von anderen auf dieser Box',
    noOwner: 'ohne Besitzer'
  },
  catalogue: {
    title: 'Katalog',
    text: 'Apps, die mit Atek ausprobiert wurden.',
    elsewhere: 'Aus anderer Quelle',
    search: 'Im Katalog suchen',
    categories: 'Kategorien',
    all: 'Alle',
    category: {
      automation: 'Automatisierung',
      communication: 'Kommunikation',
      development: 'Entwicklung',
      files: 'Dateien',
      monitoring: 'Überwachung',
      notes: 'Notizen',
      tools: 'Werkzeuge'
    },
    failed: 'Der Katalog konnte nicht geladen werden',
    old: (name) => `„${name}“ ließ sich nicht aktualisieren. Du siehst den letzten geprüften Stand.`,
    none: {
      title: 'Kein Katalog',
      text: 'Diese Box hat keinen Katalog. Aus einem Git-Repository lassen sich Apps trotzdem installieren.'
    },
    nothing: { title: 'Keine App gefunden', text: 'Versuche ein anderes Wort oder eine andere Kategorie.' },
    may: (words) => `Möchte: ${words}`,
    mayNothing: 'Braucht nichts außer ihren eigenen Daten.',
    page: 'Über das Programm',
    screenshot: (name) => `So sieht ${name} aus`,
    install: (name) => `${name} installieren`
  },
  frame: {
    leave: 'Zurück zu deinen Apps',
    details: 'Über diese App',
    direct: 'Ohne Rahmen öffnen',
    label: (name) => `Die App ${name}`,
    failed: 'Die App lässt sich hier nicht anzeigen',
    stopped: (name) => `${name} läuft nicht`,
    stoppedText: 'Starte sie auf ihrer Seite und öffne sie dann noch einmal.',
    nowhere: 'Von hier aus lässt sie sich nur für sich öffnen.'
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

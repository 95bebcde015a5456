import type { common as english } from '../en/common'

export const common: typeof english = {
  close: 'Schließen',
  cancel: 'Abbrechen',
  save: 'Speichern',
  loading: 'Wird geladen …',
  language: 'Sprache',
  languageAuto: 'Wie im Browser',
  password: {
    show: 'Passwort anzeigen',
    hide: 'Passwort verbergen',
    atLeast: (count) =>
      `Mindestens ${count} Zeichen. Ein paar ungewöhnliche Wörter hintereinander sind sicher und leicht zu tippen.`,
    scores: ['Sehr schwach', 'Schwach', 'Mittel', 'Gut', 'Stark'],
    weaknesses: {
      short: 'zu kurz',
      common: 'enthält ein Passwort, das zuerst probiert wird',
      personal: 'enthält einen Namen, den andere kennen',
      repeated: 'wiederholt sich',
      sequence: 'folgt den Tasten oder dem Alphabet',
      plain: 'nimm ein längeres'
    }
  },
  states: {
    running: 'Läuft',
    starting: 'Startet',
    restarting: 'Startet neu',
    sleeping: 'Schläft',
    stopped: 'Angehalten',
    failed: 'Fehlgeschlagen',
    unavailable: 'Nicht verfügbar'
  },
  errors: {
    title: 'Das hat nicht geklappt',
    retry: 'Noch einmal versuchen',
    signIn: 'Anmelden',
    signedOut: 'Du bist abgemeldet. Melde dich an und versuche es noch einmal.',
    unreachable:
      'Die Box antwortet nicht. Prüfe, ob sie eingeschaltet ist und ob dieses Gerät im selben Netz ist; wenn sie gerade startet, warte einen Moment.',
    limited: 'Von hier kamen zu viele Anfragen. Warte einen Moment und versuche es dann noch einmal.',
    limitedFor: (secs) =>
      `Zu viele Versuche. Warte ${secs} ${secs === 1 ? 'Sekunde' : 'Sekunden'} und versuche es dann noch einmal.`,
    broken:
      'Die Box hat etwas geantwortet, das diese Seite nicht versteht. Lade die Seite neu; wenn das nicht hilft, starte die Box neu.'
  }
}

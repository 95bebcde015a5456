import type { common as english } from '../en/common'

export const common: typeof english = {
  close: 'Schließen',
  cancel: 'Abbrechen',
  save: 'Speichern',
  loading: 'Wird geladen …',
  language: 'Sprache',
  languageAuto: 'Wie im Browser',
  password: {
    tooShort: (count) => `Nimm mindestens ${count} Zeichen.`,
    tooWeak: 'Dieses Passwort wäre sofort erraten. Wähle ein anderes.',
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
    foreign: 'Die Box sagt (auf Englisch):',
    retry: 'Noch einmal versuchen',
    signIn: 'Anmelden',
    signedOut: 'Du bist abgemeldet. Melde dich an und versuche es noch einmal.',
    unreachable:
      'Die Box antwortet nicht. Prüfe, ob sie eingeschaltet ist und ob dieses Gerät im selben Netz ist; wenn sie gerade startet, warte einen Moment.',
    limited: 'Von hier kamen zu viele Anfragen. Warte einen Moment und versuche es dann noch einmal.',
    limitedFor: (secs) =>
      `Zu viele Versuche. Warte ${secs} ${secs === 1 ? 'Sekunde' : 'Sekunden'} und versuche es dann noch einmal.`,
    broken:
      'Diese Seite versteht die Antwort der Box nicht. Lade die Seite neu; wenn das nicht hilft, starte die Box neu.'
  },
  reasons: {
    'bad-manifest': 'Die Beschreibung der App (atek.json) ist fehlerhaft.',
    'bad-request': 'Diese Adresse oder Version lässt sich nicht verwenden.',
    'bad-path': 'Die App hat eine Datei oder einen Link, den eine App nicht haben darf.',
    'broken-repository': 'Die Daten des Repositorys sind beschädigt.',
    'build-failed': 'Die App ließ sich nicht bauen.',
    busy: 'Die App ist gerade beschäftigt. Versuche es noch einmal, wenn das vorbei ist.',
    certificate: 'Das Zertifikat des Servers ist ungültig. Er könnte ein anderer sein, als er vorgibt.',
    denied: 'Das hast du dieser App nicht erlaubt.',
    direct:
      'Diese App ist direkt mit dem Internet verbunden; einzelne Server lassen sich darum nicht sperren. Nimm ihr zuerst diese Berechtigung.',
    'disk-full':
      'Die Box hat keinen Platz mehr. Deinstalliere eine App, die du nicht brauchst, oder lösche Dateien, und versuche es noch einmal.',
    'id-taken': 'Diesen Kurznamen hat schon eine andere App.',
    internal: 'In der Box ist etwas schiefgegangen. Versuche es noch einmal.',
    locked: 'Die Wiederherstellungswörter sind verschlossen. Gib dein Passwort ein.',
    'mail-certificate':
      'Das Zertifikat des Mailservers ist ungültig. Prüfe seinen Namen, oder füge seine Zertifizierungsstelle hinzu (atek authorities --add).',
    'mail-encryption':
      'Die Verbindung zum Mailserver ließ sich nicht verschlüsseln. Passt die Verschlüsselung zum Port?',
    'mail-login': 'Der Mailserver nimmt Benutzername oder Passwort nicht an.',
    'mail-not-set': 'Es ist kein Mailserver eingerichtet.',
    'mail-password': 'Das Passwort für den Mailserver fehlt.',
    'mail-refused': 'Der Mailserver hat die Mail nicht angenommen.',
    'mail-settings': 'Eine der Angaben kann nicht stimmen.',
    'mail-unreachable': 'Der Mailserver ist nicht erreichbar. Prüfe Namen und Port.',
    'missing-tool': 'Zum Bauen der App fehlt der Box ein Programm.',
    'not-signed':
      'Die installierte Version ist signiert, die neue nicht oder nicht richtig. Vielleicht stammt sie von jemand anderem: Frage den Autor.',
    'other-signer':
      'Die neue Version ist mit einem anderen Schlüssel signiert als die installierte. Frage den Autor, ob er den Schlüssel gewechselt hat. Dann kannst du den neuen annehmen.',
    moved: 'Diese Version hat inzwischen einen anderen Inhalt. Sieh sie dir noch einmal an.',
    'needs-administrator': 'Das darf nur, wer diese Box verwaltet. Bitte diese Person darum.',
    pick: 'Wähle aus dem Angebot, was die App benutzen soll.',
    'needs-owner': 'Das darf nur die Person, der die App gehört. Bitte sie darum.',
    'no-entry': 'Die Startdatei der App fehlt.',
    'no-matching-release': 'Keine Version passt zu der gewünschten.',
    'no-release': 'Von der App gibt es noch keine Version: Im Repository ist keine markiert.',
    'not-a-repository': 'Was dort antwortet, ist kein Git-Repository.',
    'not-found': 'Diese App gibt es nicht (mehr).',
    'not-new':
      'Als Ganzes lässt sich nur eine Box wiederherstellen, die noch niemand eingerichtet hat. Nimm eine neue Karte.',
    'npm-failed': 'Was die App braucht, ließ sich nicht installieren.',
    'private-address':
      'Die Adresse führt zu einem Gerät bei dir zu Hause; von dort lassen sich keine Apps holen.',
    redirected: 'Die Adresse führt woandershin. Nimm die neue.',
    refused: 'Jede passende Version wurde schon einmal zurückgenommen.',
    'repository-not-found':
      'Ein solches Repository gibt es nicht, oder es ist nicht öffentlich. Ein privates braucht ein Zugangstoken.',
    'tag-not-a-commit': 'Die Version der App ist falsch markiert.',
    'token-refused': 'Der Server nimmt das Zugangstoken nicht an. Mache dort ein neues, und gib es hier ein.',
    timeout: 'Es hat zu lange gedauert.',
    'too-big': 'Die App ist zu groß.',
    unreachable: 'Unter der Adresse antwortet niemand. Prüfe sie, und ob die Box im Internet ist.',
    'wrong-password': 'Das Passwort stimmt nicht.',
    'wrong-words': 'Das sind nicht die Wiederherstellungswörter dieser Box.'
  }
}

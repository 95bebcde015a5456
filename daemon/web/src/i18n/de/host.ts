import type { host as english } from '../en/host'

export const host: typeof english = {
  theme: 'Aussehen',
  setup: {
    title: 'Richte deine Box ein',
    intro: 'Ein paar Fragen, dann gehört sie dir. Nichts verlässt dein Zuhause.',
    step: (now, all) => `Schritt ${now} von ${all}`,
    steps: { code: 'Code', name: 'Name', user: 'Du', zone: 'Zeit', done: 'Fertig' },
    next: 'Weiter',
    back: 'Zurück',
    problems: 'Einige Einstellungen von der Karte waren nicht brauchbar',
    problemsHint: 'Die Box läuft auch ohne sie. Du kannst sie trotzdem hier einrichten.',
    code: {
      title: 'Ist das deine Box?',
      text: 'Die Box zeigt auf ihrem Bildschirm einen Code. Er steht auch in der Datei atek-claim.txt auf ihrer Speicherkarte.',
      label: 'Code',
      hint: 'Acht Buchstaben und Ziffern',
      short: 'Der Code hat acht Buchstaben und Ziffern.'
    },
    name: {
      title: 'Wie heißt sie?',
      text: 'Unter diesem Namen findest du die Box in deinem Netz.',
      label: 'Name der Box',
      hint: (name) => `Ihre Adresse ist dann http://${name}.local`,
      wrong:
        'Nimm kleine Buchstaben, Ziffern und Bindestriche; am Anfang und Ende einen Buchstaben oder eine Ziffer.'
    },
    user: {
      title: 'Wer bist du?',
      text: 'Das ist das erste Konto. Es darf alles auf dieser Box und kann Konten für andere anlegen.',
      label: 'Benutzername',
      hint: 'Zum Beispiel dein Vorname',
      wrong: 'Nimm 3 bis 64 Buchstaben, Ziffern, Punkte, Striche oder Unterstriche, ohne Leerzeichen.',
      password: 'Passwort'
    },
    zone: {
      title: 'Wo steht sie?',
      text: 'Die Zeitzone gilt für Protokolle und für alles, was Apps zu einer Uhrzeit tun.',
      label: 'Zeitzone',
      now: (time) => `Dort ist es jetzt ${time}.`,
      finish: 'Fertigstellen'
    },
    working: 'Deine Box wird eingerichtet …',
    done: {
      title: (name) => `Willkommen, ${name}`,
      text: 'Deine Box ist bereit, und du bist angemeldet.',
      open: 'Zum Start',
      problems: 'Nicht alles ließ sich einstellen. Du kannst es später auf der Seite „System“ nachholen:'
    },
    restore: {
      offer: 'Aus einer Sicherung wiederherstellen',
      title: 'Aus einer Sicherung wiederherstellen',
      text: 'Diese neue Box wird zu der aus der Sicherung, mit ihren Leuten, Apps und Daten. Stecke den Datenträger mit den Sicherungen an.',
      disk: 'Datenträger mit den Sicherungen',
      inFolder: 'Ein Ordner der Box',
      folder: 'Ordner des Datenträgers',
      folderHint: 'Wo er eingehängt ist, zum Beispiel /mnt/usb. Darin liegt der Ordner atek-backup.',
      seen: (folders) => `Die Box sieht: ${folders}`,
      noFolder: 'Schreib den Ordner vom ersten Schrägstrich an, zum Beispiel /mnt/usb.',
      words: 'Wiederherstellungswörter',
      wordsHint: 'Die 24 Wörter der alten Box, oder das Passwort ihrer Sicherungen.',
      noWords: 'Gib die 24 Wörter oder das Passwort der Sicherungen ein.',
      begin: 'Wiederherstellen',
      back: 'Stattdessen eine neue Box einrichten',
      failed: 'Die Wiederherstellung hat nicht begonnen',
      stopped: 'Die Wiederherstellung kam nicht zum Ende; die Box ist wie neu',
      interrupted: 'Die Box ist mittendrin neu gestartet. Beginn noch einmal.',
      running: 'Die Box wird wiederhergestellt',
      runningText: (apps) =>
        `${apps === 1 ? 'Eine App kommt' : `${String(apps)} Apps kommen`} mit allen Daten zurück. Lass den Datenträger stecken und die Box an.`,
      parts: (done, all) =>
        all > 0 ? `${String(done)} von ${String(all)} Teilen sind da.` : 'Die Sicherung wird gelesen …',
      starting: 'Alles ist da. Die Box startet als die alte …',
      done: 'Willkommen zurück',
      doneText: 'Die Box ist, was sie bei der Sicherung war. Melde dich mit Name und Passwort von damals an.'
    },
    away: 'Diese Box ist schon eingerichtet.',
    signIn: 'Anmelden',
    failed: 'Die Box wurde nicht eingerichtet',
    lost: 'Das Einrichten kann nicht beginnen'
  },
  login: {
    title: 'Anmelden',
    text: 'Zu Hause warten deine Apps und Dateien.',
    to: (app) => `Melde dich an, um ${app} zu öffnen.`,
    username: 'Benutzername',
    password: 'Passwort',
    stay: 'Angemeldet bleiben',
    stayHint:
      'Schalte das auf fremden Computern aus: Dann bist du abgemeldet, sobald der Browser geschlossen wird.',
    submit: 'Anmelden',
    missingName: 'Gib deinen Benutzernamen ein.',
    missingPassword: 'Gib dein Passwort ein.',
    wrong: 'Benutzername oder Passwort stimmt nicht. Achte auf große und kleine Buchstaben.',
    failed: 'Du wurdest nicht angemeldet',
    wait: (secs) =>
      `Zu viele falsche Versuche. In ${secs} ${secs === 1 ? 'Sekunde' : 'Sekunden'} kannst du es wieder versuchen.`,
    forgotten: 'Passwort vergessen?'
  },
  reset: {
    title: 'Passwort vergessen?',
    text: 'Wer diese Box verwaltet, kann dir ein neues setzen. Mit der Speicherkarte der Box kannst du es selbst:',
    how: [
      'Schalte die Box aus und stecke ihre Speicherkarte in einen Computer.',
      'Lege auf der Karte eine leere Textdatei mit dem Namen atek-reset.txt an.',
      'Stecke die Karte zurück, schalte die Box ein und öffne diese Seite wieder.'
    ],
    stays: 'Apps und Dateien bleiben, wie sie sind.',
    look: 'Erledigt',
    looking: 'Die Box wird abgefragt …',
    notOpen:
      'Die Box hat auf ihrer Karte keine Datei atek-reset.txt gefunden. Prüfe den Namen der Datei und starte die Box mit der Karte neu. Danach hast du eine Stunde Zeit.',
    over: 'Der Code gilt nicht mehr: Er wurde benutzt, oder eine Stunde ist vorbei. Lege die Datei noch einmal auf die Karte.',
    back: 'Zurück zum Anmelden',
    lost: 'Die Box hat nicht geantwortet',
    words: {
      offer: 'Wiederherstellungswörter benutzen',
      title: 'Wiederherstellungswörter benutzen',
      text: 'Die 24 Wörter, die die Box beim Einrichten gezeigt hat, setzen ein neues Passwort und öffnen deine Schlüssel, wo du auch bist.',
      label: 'Wiederherstellungswörter',
      hint: 'Alle 24 in ihrer Reihenfolge, mit Leerzeichen dazwischen.',
      missing: 'Gib die 24 Wörter ein.',
      card: 'Ich habe sie nicht'
    },
    form: {
      title: 'Neues Passwort setzen',
      text: 'Die Box zeigt auf ihrem Bildschirm einen Code. Er steht auch in der Datei atek-claim.txt auf ihrer Speicherkarte.',
      username: 'Benutzername',
      usernameHint: 'Der Name, mit dem du dich anmeldest. Wer die Box allein verwaltet, kann ihn weglassen.',
      noUser:
        'Auf dieser Box gibt es niemanden mit diesem Namen. Gib den Namen ein, mit dem du dich anmeldest.',
      password: 'Neues Passwort',
      submit: 'Passwort setzen',
      failed: 'Das Passwort wurde nicht gesetzt'
    },
    done: {
      title: (name) => `Willkommen zurück, ${name}`,
      text: 'Dein neues Passwort gilt, und du bist hier angemeldet. Alle deine anderen Geräte wurden abgemeldet.',
      open: 'Zum Start'
    }
  }
}

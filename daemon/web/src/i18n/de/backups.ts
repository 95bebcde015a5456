import type { backups as english } from '../en/backups'

export const backups: typeof english = {
  title: 'Sicherungen',
  text: 'Kopien von allem auf einem anderen Datenträger, verschlüsselt, jede nach dem Anlegen erprobt.',
  failed: 'Die Sicherungen lassen sich nicht ansehen',
  state: 'Stand',
  proven: 'Zuletzt erprobt',
  provenFiles: (files) => `${String(files)} Dateien verglichen`,
  last: 'Letzte Sicherung',
  read: 'Letzte volle Prüfung',
  target: 'Liegt in',
  next: 'Nächste',
  never: 'nie',
  problem: 'Die letzte Sicherung ist gescheitert',
  missed: 'Es fehlen Sicherungen: Seit zwei Zeiträumen gab es keine. Steckt der Datenträger?',
  now: 'Jetzt sichern',
  begun: 'Die Sicherung hat begonnen.',
  running: (what) => `Gerade läuft: ${what}`,
  parts: (done, all) => `Teil ${String(done + 1)} von ${String(all)}`,
  none: {
    title: 'Es gibt noch keine Sicherungen',
    text: 'Stecke einen Datenträger an und gib an, wo er ist. Nur der Ordner atek-backup darauf wird benutzt; alles andere bleibt, wie es ist.'
  },
  settings: {
    title: 'Wo und wie oft',
    folder: 'Ordner des Datenträgers',
    folderHint: 'Zum Beispiel /mnt/usb',
    seen: (folders) => `Die Box sieht: ${folders}`,
    every: 'Gesichert wird',
    schedules: {
      never: 'nur auf Wunsch',
      hourly: 'jede Stunde',
      daily: 'jeden Tag',
      weekly: 'jede Woche'
    },
    kept: 'Die letzte Sicherung behalten für die vergangenen',
    hourly: 'Stunden',
    daily: 'Tage',
    weekly: 'Wochen',
    saved: 'Gespeichert.',
    failed: 'Die Einstellungen wurden nicht geändert'
  },
  disks: {
    title: 'Angesteckte Datenträger',
    text: 'Beim Ansehen ändert sich auf einem Datenträger nichts. Keiner wird je formatiert.',
    disk: 'Datenträger',
    size: 'Größe',
    what: 'Was darauf ist',
    own: 'die Sicherungen dieser Box',
    hasBackup: 'Sicherungen einer Box',
    empty: 'nichts: er kann Sicherungen aufnehmen',
    hasFiles: (files) =>
      files === 1
        ? 'eine Datei oder ein Ordner; Sicherungen haben daneben Platz'
        : `${String(files)} Dateien und Ordner; Sicherungen haben daneben Platz`,
    refused: {
      unknown: 'Nichts, was die Box kennt. Formatiere ihn an einem anderen Computer als exFAT oder ext4.',
      encrypted: 'Er ist von einem anderen System verschlüsselt.',
      partOfMany: 'Er ist einer von mehreren Datenträgern, die zusammengehören.',
      readOnlyKind: 'Was darauf ist, lässt sich nur lesen.',
      otherKind: 'Ein Dateisystem, das Atek nicht benutzt.',
      swap: 'Auslagerungsspeicher eines anderen Systems.',
      inUse: 'Die Box benutzt ihn schon.',
      noId: 'Sein Dateisystem hat keine Kennung.',
      twin: 'Ein anderer Datenträger hat dieselbe Kennung. Zieh einen davon ab.'
    },
    where: 'Sicherungen liegen',
    whereHint:
      'Ein Datenträger ist eingehängt, solange gesichert wird. Sonst darfst du ihn jederzeit abziehen.',
    folder: 'in einem Ordner der Box',
    on: (name, id) => (name === '' ? `auf dem Datenträger ${id}` : `auf dem Datenträger ${name} (${id})`),
    away: (name) => `${name} (nicht angesteckt)`,
    agree: 'Auf diesem Datenträger sind andere Dateien',
    agreeText:
      'Sicherungen kommen daneben, in den Ordner atek-backup. Sonst ändert sich auf dem Datenträger nichts.',
    agreeLabel: 'Tippe ja, wenn es der richtige ist, und speichere noch einmal',
    yes: 'ja'
  },
  secret: {
    title: 'Auf einem anderen Gerät öffnen',
    text: 'Ohne die Wiederherstellungswörter oder dieses Passwort lässt sich auf einem anderen Gerät nichts wiederherstellen.',
    ofWords: 'Es folgt aus den Wiederherstellungswörtern: Dein Blatt öffnet die Sicherungen.',
    own: 'Es ist zufällig entstanden: Schreib es auf, oder bestätige Wiederherstellungswörter, aus denen die nächsten folgen.',
    show: 'Passwort anzeigen',
    password: 'Passwort der Sicherungen'
  },
  runs: {
    title: 'Alle Sicherungen',
    when: 'Angelegt',
    size: 'Größe',
    apps: 'Apps',
    whole: 'Vollständig',
    yes: 'ja',
    no: 'nein',
    actions: 'Aktionen',
    browse: 'Hineinsehen',
    browseOf: (when) => `Hineinsehen: ${when}`,
    close: 'Schließen'
  },
  inside: {
    title: (when) => `Sicherung vom ${when}`,
    app: 'App',
    version: 'Version',
    owner: 'Gehört',
    here: 'Jetzt',
    installed: 'installiert',
    installedAs: (id) => `installiert als ${id}`,
    gone: 'nicht installiert',
    files: 'Dateien',
    filesOf: (app) => `Dateien: ${app}`,
    back: 'Zurücksetzen',
    backOf: (app) => `App zurücksetzen: ${app}`,
    backText: (app, when) =>
      `Die Dateien und Datenbanken von ${app} werden zu denen vom ${when}. Was seither dazukam, geht verloren. Die Version bleibt. Die App hält einen Moment an.`,
    backDone: (app) => `${app} ist zurückgesetzt.`,
    again: 'Zurückholen',
    againOf: (app) => `Zurückholen: ${app}`,
    againDone: (app) => `${app} ist wieder da.`,
    copy: 'Als Kopie',
    copyOf: (app) => `Als Kopie: ${app}`,
    copyTitle: (app) => `Eine Kopie von ${app}`,
    copyText:
      'Sie bekommt Version, Einstellungen und Dateien von damals und eigene Datenbanken mit dem Inhalt von damals.',
    copyId: 'Name der Kopie',
    copyDone: (app) => `Die Kopie ${app} ist installiert.`,
    users: 'Konten, die es nicht mehr gibt',
    userBack: (name) => `Zurückholen: ${name}`,
    userDone: (name, apps, databases, keys) =>
      `${name} ist wieder da, mit ${String(keys)} Schlüsseln, ${String(apps)} Apps und ${String(databases)} Datenbanken.`,
    databases: 'Datenbanken',
    database: 'Datenbank',
    databaseBack: 'Zurückholen',
    databaseBackOf: (name) => `Zurückholen: ${name}`,
    databaseText: (name, when) =>
      `${name} wird, was sie am ${when} war. Was seither dazukam, geht verloren. Ihre App hält einen Moment an.`,
    databaseDone: (records) => `Die Datenbank hat ${String(records)} Einträge aus der Sicherung.`,
    failed: 'Es wurde nicht zurückgeholt'
  },
  files: {
    title: (app) => `Dateien von ${app}`,
    name: 'Name',
    size: 'Größe',
    changed: 'Geändert',
    up: 'Einen Ordner nach oben',
    root: 'Alle Dateien',
    empty: 'Dieser Ordner ist leer.',
    more: 'Es gibt mehr Dateien, als hier stehen.',
    open: (name) => `${name} öffnen`,
    replace: 'Zurückholen',
    replaceOf: (name) => `Zurückholen: ${name}`,
    replaceText: (name) =>
      `${name} wird, was die Sicherung hat. Was jetzt da ist, geht verloren. Die App hält einen Moment an.`,
    beside: 'Daneben',
    besideOf: (name) => `Daneben zurückholen: ${name}`,
    done: (path) => `${path} ist zurück.`,
    notHere: 'Die App ist nicht installiert: Hol sie erst zurück, dann einzelne Dateien.'
  }
}

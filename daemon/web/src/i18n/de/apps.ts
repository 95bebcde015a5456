import type { apps as english } from '../en/apps'

export const apps: typeof english = {
  install: {
    title: 'App installieren',
    text: 'Aus einem Git-Repository oder aus einem Ordner dieser Box.',
    catalogue: 'Aus dem Katalog wählen',
    source: 'Adresse oder Ordner',
    sourceHint: 'Zum Beispiel https://example.org/news.git oder /srv/news',
    sourceMissing: 'Gib die Adresse eines Git-Repositorys oder einen Ordner ein.',
    version: 'Version',
    token: 'Zugangstoken',
    tokenHint:
      'Für ein privates Repository. Es bleibt für Aktualisierungen gespeichert und wird nie wieder gezeigt.',
    versionHint: 'Leer für die neueste. In einem Bereich wie ^1.2 bleibt die App auch beim Aktualisieren.',
    more: 'Weitere Optionen',
    look: 'Weiter',
    looking: 'Die Beschreibung der App wird geholt …',
    notFound: 'Diese App ließ sich nicht lesen',
    stop: 'Abbrechen',
    by: (author) => `von ${author}`,
    signed: (key) =>
      `Signiert mit dem Schlüssel ${key}. Aktualisierungen müssen ebenfalls damit signiert sein.`,
    asks: 'Worum sie bittet',
    asksNothing: 'Um nichts: Sie läuft für sich, ohne Netzzugang und ohne Zugriff auf deine anderen Daten.',
    grant: 'All das erlauben',
    grantHint:
      'Kreuze an, was du erlaubst. Die App wird auf jeden Fall installiert, funktioniert aber ohne das vielleicht nicht richtig. Du kannst es später ändern.',
    limits: 'Was sie von der Box braucht',
    limitsAllow: 'All das erlauben',
    limitsHint: 'Sonst bekommt sie so viel wie andere Apps. Du kannst es später ändern.',
    usually: (value, usual) => `${value} (üblich: ${usual})`,
    id: 'Kurzname',
    idHint: 'Er ist Teil der Adresse der App.',
    warnings: 'Vor dem Installieren',
    warningWords: {
      'no-lockfile':
        'Die Versionen ihrer Abhängigkeiten sind nicht festgelegt: Jede Installation kann andere holen.',
      submodules: 'Sie hat Git-Submodule. Die werden nicht geholt, und etwas kann fehlen.',
      'lfs-pointers':
        'Einige ihrer Dateien liegen in Git LFS. Die werden nicht geholt, und etwas kann fehlen.',
      engines: 'Sie ist für eine andere Version von Node gemacht.',
      'unknown-key': 'In ihrer atek.json steht etwas, das Atek nicht kennt, vielleicht ein Tippfehler.',
      signature:
        'Ihre Signatur ist falsch oder lässt sich nicht prüfen. Sie beweist nicht, von wem die App ist.',
      icon: 'Ihr Symbol fehlt oder lässt sich nicht zeigen.',
      'left-out': 'Das Image hat Geräte oder Pipes. Die werden weggelassen, und etwas kann fehlen.',
      'dependencies-missing':
        'Ihre Abhängigkeiten sind nicht in dem Ordner. Führe dort „npm install“ aus, sonst startet sie nicht.',
      'manifest-changed':
        'Ihr Build hat atek.json geändert. Das bleibt ohne Wirkung: Es gilt, was vor dem Build gezeigt wurde.'
    },
    data: 'Ihre Daten',
    dataUse: (name, when) => `Die Daten von „${name}“ vom ${when} benutzen`,
    dataNew: 'Ohne Daten anfangen',
    dataNewHint: 'Die alten Daten bleiben, wo sie sind.',
    idWrong: 'Kleine Buchstaben, Ziffern und Bindestriche; am Anfang ein Buchstabe.',
    whose: 'Für',
    forMe: 'mich',
    forAll: 'alle auf dieser Box',
    submit: 'Installieren',
    other: 'Eine andere App',
    installing: 'Wird installiert',
    progress: 'Fortschritt',
    wait: 'Das kann ein paar Minuten dauern. Du kannst diese Seite verlassen und wiederkommen.',
    failed: 'Die App wurde nicht installiert',
    again: 'Zurück',
    done: (name) => `${name} ist installiert`,
    open: 'Öffnen',
    details: 'Über diese App',
    gone: 'Diese Installation ist vorbei. Was daraus wurde, siehst du bei deinen Apps.'
  },
  phases: {
    resolve: 'Die Version wird gesucht',
    fetch: 'Wird heruntergeladen',
    checkout: 'Wird ausgepackt',
    install: 'Was sie braucht, wird installiert',
    build: 'Wird gebaut',
    start: 'Wird gestartet'
  },
  app: {
    failed: 'Die App ließ sich nicht anzeigen',
    tabs: {
      overview: 'Überblick',
      permissions: 'Berechtigungen',
      updates: 'Versionen',
      logs: 'Protokoll',
      settings: 'Einstellungen'
    },
    tabsLabel: 'Über die App',
    open: 'Öffnen',
    start: 'Starten',
    stop: 'Anhalten',
    restart: 'Neu starten',
    started: (name) => `${name} läuft`,
    stopped: (name) => `${name} ist angehalten`,
    notDone: {
      start: 'Sie wurde nicht gestartet',
      stop: 'Sie wurde nicht angehalten',
      restart: 'Sie wurde nicht neu gestartet'
    },
    reasons: {
      running: 'Sie läuft und antwortet.',
      starting: 'Sie startet.',
      restarting: 'Sie wurde beendet und wird neu gestartet.',
      sleeping: 'Sie wurde eine Weile nicht benutzt und schläft. Beim nächsten Öffnen wacht sie auf.',
      stopped: 'Sie wurde angehalten und bleibt so, bis jemand sie startet.',
      failed:
        'Sie ist mehrmals abgestürzt und wird nicht mehr von selbst gestartet. Mehr steht in ihrem Protokoll.',
      unavailable: 'Sie kann auf dieser Box nicht laufen.'
    },
    lastExit: 'Beim letzten Mal:',
    memory: 'Speicher',
    cpu: 'Prozessor',
    noFigures: 'Solange sie läuft, kommt alle zehn Sekunden ein Wert.',
    notMeasured: 'Die App läuft nicht, oder diese Box kann das nicht messen.',
    noMetrics: 'Die Werte ließen sich nicht laden',
    about: 'Über die App',
    facts: {
      version: 'Version',
      source: 'Von',
      author: 'Autor',
      license: 'Lizenz',
      owner: 'Gehört',
      everybody: 'allen',
      since: 'Seit',
      restarts: 'Automatische Neustarts',
      unit: 'Unit'
    },
    unknown: 'unbekannt',
    addresses: 'Adressen',
    byPort: 'Geht auch ohne Namensauflösung',
    allowed: 'Was sie darf',
    allowedNothing: 'Nur ihre eigenen Daten benutzen: kein Netzzugang.'
  },
  logs: {
    follow: 'Mitlesen',
    level: 'Wichtigkeit',
    levels: {
      debug: 'Alles',
      info: 'Hinweise und Wichtigeres',
      notice: 'Bemerkenswertes und Wichtigeres',
      warning: 'Warnungen und Fehler',
      err: 'Nur Fehler',
      crit: 'Nur Kritisches',
      alert: 'Nur Alarme',
      emerg: 'Nur Notfälle'
    },
    names: {
      debug: 'Detail',
      info: 'Hinweis',
      notice: 'Notiz',
      warning: 'Warnung',
      err: 'Fehler',
      crit: 'kritisch',
      alert: 'Alarm',
      emerg: 'Notfall'
    },
    since: 'Seit',
    spans: { all: 'Anfang', day: 'einem Tag', hour: 'einer Stunde', quarter: '15 Minuten' },
    filter: 'Zeilen mit',
    label: 'Protokoll der App',
    empty: 'In dieser Zeit wurde nichts protokolliert.',
    emptyFilter: 'Keine Zeile enthält diesen Text.',
    failed: 'Das Protokoll ließ sich nicht lesen',
    ended: 'Die Verbindung wurde beendet.',
    newest: 'Zur neuesten Zeile',
    shown: (shown, all) => `${shown} von ${all} Zeilen`
  },
  settings: {
    saved: 'Gespeichert',
    savedRestart: 'Gespeichert. Es gilt ab dem nächsten Start.',
    notSaved: 'Es wurde nicht gespeichert',
    limits: {
      title: 'Grenzen',
      text: 'Wie viel von der Box die App nutzen darf. Ein leeres Feld stellt den üblichen Wert wieder her. Für eine neue Grenze wird die App neu gestartet.',
      memory: 'Speicher',
      memoryHint: 'Braucht die App mehr, wird sie beendet.',
      cpu: 'Prozessor',
      cpuHint: '100 ist ein ganzer Kern. Leer: keine Grenze.',
      weight: 'Anteil, wenn viel los ist',
      weightHint: '100 ist üblich; 200 bekommt doppelt so viel.',
      tasks: 'Prozesse und Threads',
      number: (from, to) => `Eine ganze Zahl von ${from} bis ${to}.`
    },
    env: {
      title: 'Umgebung',
      text: 'Variablen, die die App beim Start liest. Wer diese App verwalten darf, kann sie lesen.',
      name: 'Name',
      value: 'Wert',
      add: 'Variable hinzufügen',
      remove: (name) => `${name} entfernen`,
      none: 'Es gibt keine.',
      wrong: 'Ein Name hat Buchstaben, Ziffern und Unterstriche und beginnt nicht mit einer Ziffer.',
      reserved: 'Namen, die mit ATEK_ beginnen, gehören dem Host.',
      twice: 'Es gibt schon eine mit diesem Namen.'
    },
    restartNow: 'Jetzt neu starten',
    id: {
      title: 'Kurzname und Herkunft',
      id: 'Kurzname',
      idHint: 'Er steht in der Adresse der App. Links zur alten Adresse gehen dann nicht mehr.',
      source: 'Herkunft',
      sourceHint: 'Von hier kommen neue Versionen.'
    },
    uninstall: {
      title: 'Deinstallieren',
      text: 'Entfernt die App von dieser Box.',
      submit: 'Deinstallieren',
      ask: (name) => `${name} deinstallieren?`,
      keep: 'Daten behalten',
      keepHint: 'Falls sie wieder installiert wird.',
      drop: 'Daten löschen',
      dropHint: 'Alles, was sie gespeichert hat, wird endgültig gelöscht.',
      done: (name) => `${name} wurde deinstalliert`,
      failed: 'Sie wurde nicht deinstalliert'
    },
    core: 'Das ist ein Teil von Atek. Es wird mit der Box aktualisiert und lässt sich nicht ändern.'
  },
  permissions: {
    title: 'Berechtigungen',
    text: 'Was diese App darf. Eine Änderung gilt, sobald du sie speicherst.',
    all: 'Was die Apps dieser Box dürfen, außer ihre eigenen Daten zu benutzen. Wähle eine App, um es zu ändern.',
    app: 'App',
    may: 'Darf',
    nothing:
      'Diese App bittet um nichts: Sie läuft für sich, ohne Netzzugang und ohne Zugriff auf deine anderen Daten.',
    none: 'Keine Berechtigungen',
    noneText: 'Keine App auf dieser Box darf mehr, als ihre eigenen Daten zu benutzen.',
    unknown: 'Diese App hat Berechtigungen, die diese Seite nicht kennt. Ändere sie auf der Kommandozeile.',
    allowAll: 'Alles erlauben',
    refuseAll: 'Nichts erlauben',
    saved: 'Die Berechtigungen wurden geändert',
    more: 'Mehr erlauben, als sie verlangt',
    moreText: 'Für Apps, die etwas brauchen, worum sie nicht bitten, zum Beispiel ältere.',
    hosts: (names) => `sich mit ${names} verbinden`,
    direct: 'sich mit jedem Rechner im Internet verbinden, aber nicht mit Geräten bei dir zu Hause',
    directLan: 'sich mit jedem Rechner im Internet und mit Geräten bei dir zu Hause verbinden',
    device: (path) => `das Gerät ${path} an dieser Box benutzen`,
    listen: (port) =>
      `für jedes Gerät bei dir zu Hause an Port ${port} erreichbar sein, ohne Anmeldung an dieser Box`,
    mdns: 'sehen, was Geräte bei dir zu Hause ankündigen, und sich selbst ankündigen (mDNS)',
    provides: (api) => `Aufrufe von ${api} beantworten, als wäre sie ein Teil von Atek`,
    root: 'als root ihrer eigenen Dateien gestartet werden und gesagt bekommen, sie dürfe Benutzer wechseln, was sie nicht darf',
    apis: {
      'atek.cloud/services-api': 'sehen, welche Apps du hast, und sie starten, anhalten und aktualisieren',
      'atek.cloud/services-api/logs': 'die Protokolle aller deiner Apps lesen',
      'atek.cloud/services-api/configure':
        'die Einstellungen aller deiner Apps lesen und ändern, samt den Geheimnissen darin',
      'atek.cloud/services-api/install': 'in deinem Namen Apps installieren und entfernen',
      'atek.cloud/users-api': 'deine Einstellungen lesen',
      'atek.cloud/users-api/main-page': 'deine Startseite wählen',
      'atek.cloud/system-api': 'sehen, was für eine Box das ist und welche Adressen sie zu Hause hat'
    },
    api: (id) => `in deinem Namen etwas über ${id} ändern`
  }
}

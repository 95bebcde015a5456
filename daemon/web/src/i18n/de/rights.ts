import type { rights as en } from '../en/rights'

export const rights: typeof en = {
  may: (words) => words,
  mayNot: (words) => `gesperrt: ${words}`,
  internet: 'sich mit jedem Rechner im Internet verbinden',
  home: 'sich mit Geräten bei dir zu Hause verbinden',
  provider: (api, name) => `${api} von ${name} benutzen`,
  anyProvider: (api) => `eine App benutzen, die ${api} anbietet`,
  readDatabase: (name) => `die Datenbank ${name} lesen`,
  writeDatabase: (name) => `die Datenbank ${name} lesen und ändern`,
  anyReadDatabase: 'eine deiner Datenbanken lesen',
  anyWriteDatabase: 'eine deiner Datenbanken lesen und ändern',
  readFolder: (name) => `den Ordner ${name} lesen`,
  writeFolder: (name) => `den Ordner ${name} lesen und ändern`,
  anyReadFolder: 'einen Ordner einer anderen deiner Apps lesen',
  anyWriteFolder: 'einen Ordner einer anderen deiner Apps lesen und ändern',
  anyDevice: 'ein Gerät dieser Box benutzen',
  danger: {
    low: '',
    medium: 'Erlaube das nur, wenn du der App vertraust.',
    high: 'Vorsicht: Damit kann die App sehr viel.'
  },
  requests: {
    title: 'Eine App bittet um Erlaubnis',
    unaskedTitle: 'Eine gespeicherte Erlaubnis wartet auf deine Antwort',
    unaskedAsks: (app) => `Darf ${app} das?`,
    asks: (app) => `${app} möchte:`,
    reason: (reason) => `Ihre Begründung: „${reason}“`,
    noReason: 'Eine Begründung nennt sie nicht.',
    unasked:
      'Das war früher als erlaubt gespeichert, ohne dass du gefragt wurdest. Die App kann es erst nutzen, wenn du es erlaubst.',
    pick: 'Dies benutzen',
    noChoice: 'Auf dieser Box gibt es nichts, was sie benutzen könnte.',
    needsAdmin: 'Das können nur die Administratoren dieser Box erlauben.',
    once: 'Für 5 Minuten erlauben',
    hour: 'Für eine Stunde erlauben',
    always: 'Immer erlauben',
    deny: 'Nicht erlauben',
    later: (count) => (count === 1 ? 'Eine weitere Bitte wartet.' : `${count} weitere Bitten warten.`),
    failed: 'Deine Antwort wurde nicht gespeichert',
    keys: {
      title: 'Eine App möchte einen deiner Schlüssel benutzen',
      asks: (app, key) => `${app} bittet um den Schlüssel „${key}“.`,
      decrypt: 'Sie würde eine Nachricht lesen, die für dich verschlüsselt wurde.',
      meanings: {
        'ethereum-transaction': 'Das überweist Geld oder ruft einen Vertrag auf.',
        'ethereum-typed-data': 'Ein Vertrag kann nach dieser Unterschrift handeln, auch Geld bewegen.',
        login: 'Das meldet dich irgendwo an.',
        message: 'Andere können prüfen, dass die Nachricht von dir ist.',
        'nostr-event': 'Das wird in deinem Namen veröffentlicht.',
        unknown: 'Diese Box kann nicht lesen, was unterschrieben würde.'
      },
      fields: {
        chain: 'Netz',
        to: 'An',
        amount: 'Betrag',
        fee: 'Gebühr',
        nonce: 'Nummer',
        call: 'Aufruf',
        data: 'Daten',
        'access-list': 'Zugriffsliste',
        account: 'Konto',
        site: 'Seite',
        text: 'Text',
        kind: 'Art',
        tag: 'Marke',
        bytes: 'Bytes',
        domain: 'Für',
        contract: 'Vertrag',
        version: 'Version',
        salt: 'Salz',
        type: 'Typ'
      },
      danger:
        'Erlaube das nur, wenn du es selbst begonnen hast und jeder Wert der erwartete ist. Zurücknehmen lässt es sich nicht.',
      once: 'Dieses eine Mal erlauben'
    }
  },
  list: {
    by: 'Entschieden von',
    since: 'Seit',
    until: 'Bis',
    forever: 'unbegrenzt',
    used: 'Benutzt',
    never: 'nie',
    notCounted: 'nicht gezählt',
    times: (count, last) => `${count === 1 ? 'einmal' : `${count}-mal`}, zuletzt ${last}`,
    notKnown: 'nicht festgehalten',
    host: 'der Kommandozeile',
    actions: 'Aktionen',
    revoke: 'Zurücknehmen',
    liftOf: (what, app) => `Aufheben bei ${app}: ${what}`,
    lift: 'Aufheben',
    revokeOf: (words, app) => `Zurücknehmen bei ${app}: ${words}`,
    revoked: 'Die Berechtigung wurde zurückgenommen',
    failed: 'Die Berechtigung wurde nicht geändert'
  },
  more: {
    title: 'Einen Server erlauben oder sperren',
    text: 'Du kannst dieser App mehr erlauben, als sie verlangt, oder ihr einen Server sperren. Es gilt sofort.',
    host: 'Server',
    hint: 'Zum Beispiel api.example.org oder *.example.org',
    time: 'Wie lange',
    times: { always: 'Bis ich es zurücknehme', hour: 'Eine Stunde', day: 'Einen Tag' },
    allow: 'Erlauben',
    block: 'Sperren',
    allowed: (host) => `${host} ist jetzt erlaubt`,
    blocked: (host) => `${host} ist jetzt gesperrt`
  },
  activity: {
    title: 'Aktivität',
    ofApp: 'Was diese App getan hat',
    text: 'Was Apps und Menschen auf dieser Box getan haben und was abgelehnt wurde. Apps mit vollem Internetzugang erreichen auch Server, die hier nicht stehen.',
    textOf: (app) => `Was ${app} getan hat, und was mit der App getan wurde.`,
    filter: 'Filter',
    search: 'App, Person, Server oder API suchen',
    period: 'Zeitraum',
    spans: { hour: 'Letzte Stunde', day: 'Letzter Tag', week: 'Letzte Woche', month: 'Letzter Monat' },
    onlyRefused: 'Nur Abgelehntes',
    who: 'Wer',
    what: 'Was',
    outcome: 'Ergebnis',
    count: 'Wie oft',
    last: 'Zuletzt',
    system: 'Die Box',
    outcomes: {
      done: 'erledigt',
      failed: 'fehlgeschlagen',
      refused: 'abgelehnt',
      given: 'erlaubt',
      denied: 'gesperrt',
      taken: 'zurückgenommen',
      ended: 'abgelaufen'
    },
    deeds: {
      many: 'viele andere',
      call: (method, api, app) => (app ? `${method} von ${api} (${app})` : `${method} von ${api}`),
      connection: (api, app) => `Verbindung zu ${api} (${app})`,
      host: (host) => `Verbindung zu ${host}`,
      page: (app) => `${app} öffnen`,
      permission: (app, words) => `${app} darf: ${words}`,
      share: (app, name, level) => `${app} teilen mit ${name}${level && `: ${level}`}`,
      password: (name, keys) => `neues Passwort für ${name}: ${keys}`,
      keysAfter: {
        'no keys': 'keine Schlüssel',
        'keys opened': 'es öffnet die Schlüssel',
        'keys locked': 'die Schlüssel sind gesperrt'
      }
    },
    block: 'Diesen Server sperren',
    blockOf: (host, app) => `Diesen Server sperren für ${app}: ${host}`,
    more: 'Es gibt mehr. Grenze die Suche ein, um es zu sehen.',
    none: 'Nichts gefunden',
    noneText: 'In diesem Zeitraum ist nichts dergleichen geschehen.',
    failed: 'Die Aktivität konnte nicht geladen werden'
  },
  sharing: {
    title: 'Geteilt mit',
    app: {
      text: 'Wer die App mit dir teilt, öffnet sie mit dem eigenen Konto.',
      notShared: 'Du teilst diese App mit niemandem.',
      levels: {
        view: 'sie ansehen, ohne etwas zu ändern',
        use: 'sie benutzen',
        manage: 'sie benutzen und betreuen'
      },
      shared: 'Die App ist geteilt',
      ended: 'Die App wird nicht mehr geteilt'
    },
    database: {
      text: 'Wer die Datenbank mit dir teilt, liest sie hier und in den eigenen Apps.',
      notShared: 'Du teilst diese Datenbank mit niemandem.',
      levels: {
        view: 'sie lesen',
        use: 'sie lesen und ändern',
        manage: 'sie und ihre Einstellungen ändern'
      },
      shared: 'Die Datenbank ist geteilt',
      ended: 'Die Datenbank wird nicht mehr geteilt'
    },
    who: 'Mit',
    level: 'Darf',
    group: (name) => `Gruppe: ${name}`,
    add: 'Teilen',
    end: 'Nicht mehr teilen',
    endOf: (name) => `Nicht mehr mit ${name} teilen`,
    noOne: 'Außer dir hat noch niemand ein Konto auf dieser Box.'
  },
  groups: {
    title: 'Gruppen',
    text: 'Beim Teilen steht eine Gruppe für ihre Mitglieder.',
    name: 'Name der Gruppe',
    members: 'Mitglieder',
    none: 'Es gibt noch keine Gruppen.',
    add: 'Gruppe anlegen',
    change: 'Ändern',
    changeOf: (name) => `Gruppe ${name} ändern`,
    remove: 'Entfernen',
    removeOf: (name) => `Gruppe ${name} entfernen`,
    actions: 'Aktionen',
    empty: 'niemand',
    failed: 'Die Gruppe wurde nicht geändert'
  }
}

import type { homes as en } from '../en/homes'

export const homes: typeof en = {
  label: 'Name',
  link: 'Link',
  copy: 'Link kopieren',
  copied: 'Der Link ist kopiert.',
  connected: 'Verbunden',
  notConnected: 'Nicht verbunden',
  never: 'noch nie',
  noName: 'ohne Namen',
  sharing: {
    title: 'Teilen',
    text: 'Datenbanken, die an andere Boxen gehen, und solche von anderen Boxen, die du hier liest.',
    given: 'Du teilst',
    none: 'Du teilst keine Datenbank mit anderen Boxen. Öffne eine Datenbank und wähle „Mit anderen Boxen teilen“.',
    database: 'Datenbank',
    for: 'Für',
    readers: 'Verbundene Boxen',
    sent: 'Gesendet',
    since: 'Seit',
    everybody: 'alle',
    stop: 'Nicht mehr teilen',
    stopOf: (name: string) => `Nicht mehr teilen: ${name}`,
    stopText:
      'Wer diesem Link folgt, bekommt nichts mehr. Was schon angekommen ist, bleibt dort. Andere Links funktionieren weiter.',
    stopped: 'Der Link ist beendet.',
    followed: 'Du folgst',
    followNone: 'Du folgst keiner Datenbank einer anderen Box.',
    copyOf: 'Kopie auf dieser Box',
    received: 'Empfangen',
    news: 'Zuletzt aktualisiert',
    follow: 'Folgen',
    followLink: 'Link einer anderen Box',
    followHint: 'Er beginnt mit atek://db/',
    following: 'Du folgst. Die Kopie füllt sich, sobald die andere Box erreicht wird.',
    unfollow: 'Nicht mehr folgen',
    unfollowOf: (name: string) => `Nicht mehr folgen: ${name}`,
    unfollowText: 'Die Kopie auf dieser Box wird gelöscht.',
    unfollowed: 'Du folgst nicht mehr.',
    share: 'Mit anderen Boxen teilen',
    shareText:
      'Du bekommst einen Link. Wer ihn hat, liest diese Datenbank von der eigenen Atek-Box aus und kann den Link weitergeben. Ändern kann sie hier niemand.',
    shareFor: 'Für wen (nur du siehst das)',
    make: 'Link erzeugen',
    made: 'Schicke der Person diesen Link. Sie gibt ihn auf ihrer eigenen Box unter „Teilen“ ein.'
  },
  devices: {
    title: 'Geräte',
    text: 'Computer und Telefone, die diese Box aus jedem Netz öffnen. Anmelden musst du dich dort trotzdem.',
    none: 'Kein Gerät ist gekoppelt.',
    pair: 'Gerät koppeln',
    lastSeen: 'Zuletzt gesehen',
    sent: 'Gesendet',
    received: 'Empfangen',
    remove: 'Entfernen',
    removeOf: (name: string) => `${name} entfernen`,
    removeText: 'Das Gerät wird sofort getrennt, und sein Link funktioniert nicht mehr.',
    removed: 'Das Gerät ist entfernt.',
    steps: {
      name: 'Schritt 1 von 3: ein Name',
      nameHint: 'Etwa Laptop oder Telefon',
      next: 'Weiter',
      link: 'Schritt 2 von 3: den Link auf das Gerät bringen',
      linkText:
        'Starte auf einem Computer atek-connect mit diesem Link. Scanne den Code auf einem Telefon mit einer App für Holesail-Links. Der Link ist der Schlüssel dieses Geräts: Er wird nur dieses eine Mal gezeigt.',
      qr: 'Der Link als QR-Code',
      wait: 'Schritt 3 von 3: verbinden',
      waitText: 'Warten auf das Gerät …',
      done: 'Das Gerät hat sich verbunden.',
      close: 'Fertig'
    }
  }
}

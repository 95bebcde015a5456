import type { words as english } from '../en/words'

export const words: typeof english = {
  title: 'Wiederherstellungswörter',
  text: 'Wenn du dein Passwort vergisst, öffnen 24 Wörter deine Schlüssel wieder. Bewahre sie auf Papier auf, nicht als Foto.',
  show: 'Wörter anzeigen',
  later: 'Das geht auch später. Die Wörter bleiben abrufbar, bis du sie bestätigst.',
  write:
    'Schreib diese Wörter in dieser Reihenfolge auf, oder druck sie aus. Wer sie hat, kann deine Schlüssel öffnen.',
  qr: 'Die Wörter als QR-Code',
  print: 'Drucken',
  written: 'Ich habe sie auf Papier',
  check: 'Hast du sie?',
  word: (place) => `Wort ${place}`,
  wrong: 'An diesen Stellen stehen andere Wörter. Sieh noch einmal auf dein Blatt.',
  again: 'Noch einmal anzeigen',
  confirm: 'Bestätigen',
  confirmed: 'Bestätigt. Ab jetzt stehen die Wörter nur noch auf deinem Blatt: Bewahre es gut auf.',
  failed: 'Die Wörter sind nicht abrufbar',
  reminder: 'Die Wiederherstellungswörter stehen noch nicht auf Papier',
  reminderText:
    'Ohne sie können ein vergessenes Passwort oder eine defekte Karte deine Schlüssel und Sicherungen kosten.',
  reminderLink: 'Wörter anzeigen',
  password: 'Dein Passwort',
  passwordMissing: 'Gib dein Passwort ein.',
  go: 'Weiter'
}

/** Texts about the recovery words. */
export const words = {
  title: 'Recovery words',
  text: 'If you forget your password, 24 words open your keys again. Keep them on paper, not in a photo.',
  show: 'Show the words',
  later: 'You can also do this later. The words stay available until you confirm them.',
  write: 'Write these words down in this order, or print them. Anyone who has them can open your keys.',
  qr: 'The words as a QR code',
  print: 'Print',
  written: 'I have them on paper',
  check: 'Do you have them?',
  word: (place: number) => `Word ${place}`,
  wrong: 'Those words do not match. Check your sheet and try again.',
  again: 'Show them again',
  confirm: 'Confirm',
  confirmed: 'Confirmed. From now on the words exist only on your sheet: keep it safe.',
  failed: 'The words are not available',
  reminder: 'The recovery words are not on paper yet',
  reminderText: 'Without them, a forgotten password or a broken card may cost your keys and backups.',
  reminderLink: 'Show the words',
  password: 'Your password',
  passwordMissing: 'Type your password.',
  go: 'Continue'
}

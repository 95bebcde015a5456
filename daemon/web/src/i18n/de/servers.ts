import type { servers as english } from '../en/servers'

export const servers: typeof english = {
  choice: 'auf einem anderen Gerät im Netz',
  address: 'Adresse des Servers',
  addressHint:
    'sftp://anna@nas.local/backups, https://nas.local:8000/anna für einen REST-Server von restic, s3+https://ZUGANGSSCHLÜSSEL@s3.example.org/BUCKET, oder home://anna@berta für ein anderes Atek-Zuhause',
  password:
    'Passwort auf dem Server, geheimer Schlüssel von S3, oder Schlüssel, den das andere Zuhause zeigte',
  passwordHint: 'Es bleibt auf der Box. Lass es leer, wo es wie bisher ist, oder wo es keines gibt.',
  key: 'Ist das dein Server?',
  keyText: (key) =>
    `Er zeigt den Schlüssel ${key}. Vergleiche ihn mit dem, den der Server selbst anzeigt. Bisher wurde ihm nichts geschickt.`,
  keyLabel: 'Tippe ja, wenn es derselbe ist, und versuche es noch einmal',
  yes: 'ja'
}

/** Texts of a server that keeps backups: its address, its password, and how it is known again. */
export const servers = {
  choice: 'on another machine in the network',
  address: 'Address of the server',
  addressHint:
    'sftp://anna@nas.local/backups, https://nas.local:8000/anna for a REST server of restic, s3+https://ACCESSKEY@s3.example.org/BUCKET, or home://anna@berta for another Atek home',
  password: 'Password on the server, secret key of S3, or key that the other home showed',
  passwordHint: 'It stays on the box. Leave it empty where it is as before, or where there is none.',
  key: 'Is this your server?',
  keyText: (key: string) =>
    `It shows the key ${key}. Compare it with the one that the server itself shows. Nothing was sent to it yet.`,
  keyLabel: 'Type yes if it is the same, and try again',
  yes: 'yes'
}

/** Texts of a server that keeps backups: its address, its password, and how it is known again. */
export const servers = {
  choice: 'on another machine in the network',
  address: 'Address of the server',
  addressHint: 'sftp://anna@nas.local/backups, or https://nas.local:8000/anna for a REST server of restic',
  password: 'Password on the server',
  passwordHint: 'It stays on the box. Leave it empty where it is as before, or where there is none.',
  key: 'Is this your server?',
  keyText: (key: string) =>
    `It shows the key ${key}. Compare it with the one that the server itself shows. Nothing was sent to it yet.`,
  keyLabel: 'Type yes if it is the same, and try again',
  yes: 'yes'
}

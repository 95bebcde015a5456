/** Texts of the host's own pages: setup, sign-in and a forgotten password. */
export const host = {
  theme: 'Appearance',
  setup: {
    title: 'Set up your box',
    intro: 'A few questions and the box is yours. Nothing leaves your home.',
    step: (now: number, all: number) => `Step ${now} of ${all}`,
    steps: { code: 'Code', name: 'Name', user: 'You', zone: 'Time', done: 'Done' },
    next: 'Continue',
    back: 'Back',
    problems: 'Some settings on the card could not be used',
    problemsHint: 'The box works without them, and you can set it up here.',
    code: {
      title: 'Is this your box?',
      text: 'The box shows a code on its screen. It is also in the file atek-claim.txt on its memory card.',
      label: 'Code',
      hint: 'Eight letters and digits',
      short: 'The code has eight letters and digits.'
    },
    name: {
      title: 'What is it called?',
      text: 'This is how you find the box in your home network.',
      label: 'Name of the box',
      hint: (name: string) => `Its address will be http://${name}.local`,
      wrong: 'Use lower-case letters, digits and dashes; start and end with a letter or a digit.'
    },
    user: {
      title: 'Who are you?',
      text: 'This is the first account. It can do everything on this box, and create accounts for others.',
      label: 'User name',
      hint: 'For example your first name',
      wrong: 'Use 3 to 64 letters, digits, dots, dashes or underscores, without spaces.',
      password: 'Password'
    },
    zone: {
      title: 'Where is it?',
      text: 'The time zone is used for logs and for what apps do at a certain time of day.',
      label: 'Time zone',
      now: (time: string) => `It is ${time} there now.`,
      finish: 'Finish'
    },
    working: 'Setting up your box …',
    done: {
      title: (name: string) => `Welcome, ${name}`,
      text: 'Your box is ready, and you are signed in.',
      open: 'Go home',
      problems: 'Some settings could not be applied. You can change them later on the page “System”:'
    },
    restore: {
      offer: 'Restore from a backup',
      title: 'Restore from a backup',
      text: 'This new box becomes the one of the backup, with its people, apps and data. Plug in the disk with the backups.',
      disk: 'Disk with the backups',
      inFolder: 'A folder of the box',
      folder: 'Folder of the disk',
      folderHint: 'Where the disk is mounted, for example /mnt/usb. The folder atek-backup is in it.',
      seen: (folders: string) => `The box sees: ${folders}`,
      noFolder: 'Write the folder from the first slash on, for example /mnt/usb.',
      words: 'Recovery words',
      wordsHint: 'The 24 words of the old box, or the password of its backups.',
      noWords: 'Enter the 24 words, or the password of the backups.',
      begin: 'Restore',
      back: 'Set up a new box instead',
      failed: 'The restore has not begun',
      stopped: 'The restore did not end; the box is as new',
      interrupted: 'The box was started again in the middle of it. Begin once more.',
      running: 'The box is being restored',
      runningText: (apps: number) =>
        `${apps === 1 ? 'One app comes' : `${String(apps)} apps come`} back with all data. Leave the disk in, and the box on.`,
      parts: (done: number, all: number) =>
        all > 0 ? `${String(done)} of ${String(all)} parts are here.` : 'Reading the backup …',
      starting: 'Everything is here. The box starts as the old one …',
      done: 'Welcome back',
      doneText:
        'The box is what it was when the backup was made. Sign in with the name and password of that time.'
    },
    away: 'This box has been set up already.',
    signIn: 'Sign in',
    failed: 'The box was not set up',
    lost: 'Setup cannot start'
  },
  login: {
    title: 'Sign in',
    text: 'Your apps and files are waiting at home.',
    to: (app: string) => `Sign in to open ${app}.`,
    username: 'User name',
    password: 'Password',
    stay: 'Keep me signed in',
    stayHint:
      'Turn this off on a computer that is not yours: you are then signed out when the browser is closed.',
    submit: 'Sign in',
    missingName: 'Enter your user name.',
    missingPassword: 'Enter your password.',
    wrong: 'The user name or the password is wrong. Check upper and lower case.',
    failed: 'You were not signed in',
    wait: (secs: number) =>
      `Too many wrong attempts. You can try again in ${secs} ${secs === 1 ? 'second' : 'seconds'}.`,
    forgotten: 'Forgot your password?'
  },
  reset: {
    title: 'Forgot your password?',
    text: 'An administrator of this box can set a new one for you. With the memory card of the box you can set one yourself:',
    how: [
      'Turn the box off and put its memory card into a computer.',
      'Create an empty text file on the card and name it atek-reset.txt.',
      'Put the card back, turn the box on, and open this page again.'
    ],
    stays: 'Apps and files stay as they are.',
    look: 'I have done this',
    looking: 'Asking the box …',
    notOpen:
      'The box did not find a file named atek-reset.txt on its card. Check the name of the file, and restart the box with the card in it. The file is then good for one hour.',
    over: 'The code is no longer valid: it has been used, or an hour has passed. Put the file on the card again.',
    back: 'Back to the sign-in page',
    lost: 'The box did not answer',
    words: {
      offer: 'Use your recovery words',
      title: 'Use your recovery words',
      text: 'The 24 words that the box showed at its setup set a new password and open your keys, wherever you are.',
      label: 'Recovery words',
      hint: 'All 24, in their order, with spaces between them.',
      missing: 'Enter the 24 words.',
      card: 'I do not have them'
    },
    form: {
      title: 'Set a new password',
      text: 'The box shows a code on its screen. It is also in the file atek-claim.txt on its memory card.',
      username: 'User name',
      usernameHint: 'The name that you sign in with. The only administrator can leave it empty.',
      noUser: 'There is no user with that name on this box. Enter the name that you sign in with.',
      password: 'New password',
      submit: 'Set the password',
      failed: 'The password was not set'
    },
    done: {
      title: (name: string) => `Welcome back, ${name}`,
      text: 'Your new password is set, and you are signed in here. All your other devices have been signed out.',
      open: 'Go home'
    }
  }
}

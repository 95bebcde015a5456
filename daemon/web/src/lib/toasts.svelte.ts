/** Short notes that come and go; a screen reader says them too. */

export type ToastTone = 'ok' | 'danger'

export interface Toast {
  id: number
  tone: ToastTone
  text: string
}

/** Time to read one, in milliseconds. */
const SHOWN_FOR = 6000

let next = 0
let shown = $state.raw<Toast[]>([])

export const toasts = {
  get shown(): readonly Toast[] {
    return shown
  },
  add(text: string, tone: ToastTone = 'ok') {
    const toast = { id: next++, tone, text }
    shown = [...shown.slice(-2), toast]
    setTimeout(() => this.close(toast.id), SHOWN_FOR)
  },
  close(id: number) {
    shown = shown.filter((toast) => toast.id !== id)
  }
}

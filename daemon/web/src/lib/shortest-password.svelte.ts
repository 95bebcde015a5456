/** The least number of characters of a new password: 8 unless the box asks for more. */

let least = $state(8)

export const shortestPassword = {
  get length(): number {
    return least
  },
  /** Takes what the box says; older boxes say nothing. */
  learn(length: number | undefined) {
    if (length !== undefined) least = length
  }
}

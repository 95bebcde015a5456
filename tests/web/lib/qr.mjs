// Reads QR codes off the screen, as the camera of a phone does.

import jsQR from 'jsqr'
import { PNG } from 'pngjs'

/** The text of the code in a picture of the page. */
export async function readQr(locator) {
  const { data, width, height } = PNG.sync.read(await locator.screenshot())
  const found = jsQR(new Uint8ClampedArray(data), width, height)
  if (!found) throw new Error(`no QR code is seen in a picture of ${width} by ${height}`)
  return found.data
}

/** Errors that a caller is told about, with their JSON-RPC codes (JSON-RPC 2.0, section 5.1). */

export const CODE = { parse: -32700, request: -32600, method: -32601, params: -32602, internal: -32603, refused: -32003, denied: -32001, notFound: -32004, full: -32006 }

export class ApiError extends Error {
  /**
   * @param {number} code
   * @param {string} message one sentence for the caller
   * @param {object} [data]
   */
  constructor (code, message, data) {
    super(message)
    this.code = code
    this.data = data
  }
}

export const badParams = message => new ApiError(CODE.params, message)
export const refused = message => new ApiError(CODE.refused, message)
export const denied = message => new ApiError(CODE.denied, message)
export const notFound = message => new ApiError(CODE.notFound, message)
export const full = (message, data) => new ApiError(CODE.full, message, data)

/** Whether the disk had no room; the store says so by the cause of its own error. */
export function isDiskFull (error) {
  return error?.code === 'ENOSPC' || error?.code === 'EDQUOT' || (error?.cause !== undefined && isDiskFull(error.cause))
}

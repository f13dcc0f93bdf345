import { spawnSync } from 'node:child_process'

/** A key and the certificate it has signed for itself, both PEM. */
export interface Certified {
  key: string
  certificate: string
}

/** A fresh P-256 key and its certificate for 127.0.0.1, good for two days. @throws Error where there is no openssl. */
export function selfSigned(): Certified {
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  const names = ['-subj', '/CN=bench', '-addext', 'subjectAltName=IP:127.0.0.1']
  const args = ['req', '-x509', ...curve, ...names, '-days', '2', '-keyout', '-', '-out', '-']
  const { status, stdout, stderr } = spawnSync('openssl', args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`openssl made no certificate: ${stderr ?? 'not found'}`)
  return { key: blockOf(stdout, 'PRIVATE KEY'), certificate: blockOf(stdout, 'CERTIFICATE') }
}

function blockOf(pem: string, name: string): string {
  const [block] = new RegExp(`-----BEGIN ${name}-----[^-]*-----END ${name}-----\n`).exec(pem) ?? []
  if (block === undefined) throw new Error(`openssl wrote no ${name}`)
  return block
}

"""Certificates for tests, made by openssl: an authority, and what it signs."""
import os
import subprocess

KEYS = {
    "ec": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "rsa": ["-newkey", "rsa:2048"],
}


def openssl(*words, **more):
    done = subprocess.run(("openssl",) + words, capture_output=True, text=True, **more)
    if done.returncode:
        raise RuntimeError(f"openssl {' '.join(words)}: {done.stderr}")
    return done


class Authority:
    """In a folder of the caller's. Files: NAME.pem, NAME.key."""

    def __init__(self, folder, name="ca"):
        self.folder, self.name = folder, name
        openssl("req", "-x509", *KEYS["ec"], "-nodes", "-keyout", self.path(f"{name}.key"), "-out",
                self.pem, "-days", "30", "-subj", f"/CN=Authority {name}")

    @classmethod
    def of(cls, folder, name):
        """One whose certificate another authority has signed."""
        made = cls.__new__(cls)
        made.folder, made.name = folder, name
        return made

    def path(self, name):
        return os.path.join(self.folder, name)

    @property
    def pem(self):
        return self.path(f"{self.name}.pem")

    def sign(self, name, hosts, kind="ec", days=20, subject=None, authority=False):
        """A certificate for these hosts, valid for so many days; the path of its chain. The files are
        replaced at once, as a tool that renews them does."""
        key, request, chain = (self.path(f"{name}.{end}") for end in ("key", "csr", "pem"))
        openssl("req", "-new", *KEYS[kind], "-nodes", "-keyout", key + ".new", "-out", request, "-subj",
                subject or f"/CN={hosts[0] if hosts else name}")
        with open(self.path(f"{name}.ext"), "w", encoding="utf-8") as out:
            kinds = [f"{'IP' if host.replace('.', '').isdigit() else 'DNS'}:{host}" for host in hosts]
            out.write(f"subjectAltName={','.join(kinds)}\n" if hosts else
                      f"basicConstraints=CA:{str(authority).upper()}\n")
        openssl("x509", "-req", "-in", request, "-CA", self.pem, "-CAkey",
                self.path(f"{self.name}.key"), "-CAcreateserial", "-days", str(days), "-out",
                chain + ".new", "-extfile", self.path(f"{name}.ext"))
        os.rename(key + ".new", key)
        os.rename(chain + ".new", chain)
        return chain

"""Settings of `hscz fetch`: where the archives are, whose login goes where, what a field needs.

What a key means stands beside its default; `hscz.config.read` reads the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from hscz.errors import ConfigError

HSC_COADDS = (
    "https://hsc-release.mtk.nao.ac.jp/archive/filetree/{rerun}/deepCoadd-results/"
    "{filter}/{tract}/{patch}/calexp-{filter}-{tract}-{patch}.fits"
)

IMAGES: Mapping[str, str] = {
    "HSC-": HSC_COADDS,
    "NB": HSC_COADDS,
    # The layout is that of the imported coadds; this address of theirs is not confirmed. The
    # public folder of CLAUDS that users name is .../clauds/desprez/PublicRelease on this host.
    "MegaCam-": (
        "https://www.canfar.net/storage/vault/file/clauds/deepCoadd/"
        "{filter}/{tract}/{patch}/calexp-{filter}-{tract}-{patch}.fits"
    ),
}
"""Address of a whole patch, by how the name of its filter begins."""

LOGINS: Mapping[str, str] = {
    "hsc-release.mtk.nao.ac.jp": "HSC_SSP_CAS",
    # Names of our own choice; the archive's tools take a certificate or the netrc file.
    "ws.cadc-ccda.hia-iha.nrc-cnrc.gc.ca": "CADC",
    "ws-cadc.canfar.net": "CADC",
    "www.canfar.net": "CADC",
}
"""For each host that wants a login, how the names of the two environment variables begin:
HSC_SSP_CAS stands for HSC_SSP_CAS_USER and HSC_SSP_CAS_PASSWORD."""


@dataclass(frozen=True)
class FetchConfig:
    """Section [fetch]: how files come from the archives."""

    jobs: int = 4
    """Downloads at a time."""
    requests_per_second: float = 4.0
    """Most requests a second, over all downloads."""
    tries: int = 6
    """How often to ask before a file is left out."""
    wait_s: float = 5.0
    """Wait before the second try; it doubles with each further one, up to five minutes."""
    timeout_s: float = 60.0
    """How long a server may be silent."""
    images: dict[str, str] = field(default_factory=dict)
    """Addresses of whole patches for filters whose name begins so, beside or in place of those
    of `IMAGES`, with {rerun}, {filter}, {tract} and {patch}: {VIRCAM- = "https://..."}."""
    logins: dict[str, str] = field(default_factory=dict)
    """Hosts that get a login, beside or in place of those of `LOGINS`. Give no password here:
    the value is how the names of the environment variables begin. A netrc file does as well."""
    cutouts: str = "https://hsc-release.mtk.nao.ac.jp/das_cutout/pdr3/cgi-bin/cutout"
    vizier: str = "https://vizier.cds.unistra.fr"
    irsa: str = "https://irsa.ipac.caltech.edu/TAP"
    irsa_dust: str = "https://irsa.ipac.caltech.edu/cgi-bin/DUST/nph-dust"
    sdss: str = "https://skyserver.sdss.org"
    # The client finds this by asking the archive's registry for ivo://cadc.nrc.ca/argus.
    cadc: str = "https://ws.cadc-ccda.hia-iha.nrc-cnrc.gc.ca/argus"

    @property
    def services(self) -> dict[str, str]:
        """Every address of these settings by its key."""
        keys = ("cutouts", "vizier", "irsa", "irsa_dust", "sdss", "cadc")
        images = {f"images.{prefix}": url for prefix, url in self.images.items()}
        return {key: getattr(self, key) for key in keys} | images

    @property
    def login_hosts(self) -> dict[str, str]:
        """How the variables begin for each host that gets a login."""
        return {**LOGINS, **self.logins}

    def image_url(self, filter_name: str) -> str | None:
        """Return the address of whole patches of a filter, None where none is known.

        Examples
        --------
        >>> FetchConfig().image_url("HSC-I").startswith("https://hsc-release.mtk.nao.ac.jp/")
        True
        >>> FetchConfig(images={"VIRCAM-": "https://x/{patch}"}).image_url("VIRCAM-J")
        'https://x/{patch}'
        """
        known = {**IMAGES, **self.images}
        fitting = [prefix for prefix in known if filter_name.startswith(prefix)]
        return known[max(fitting, key=len)] if fitting else None


@dataclass(frozen=True)
class FieldFetch:
    """Section [fields.NAME.fetch]: what to get for one field.

    The files go where the field's ``images`` and tables say. Tables come as their descriptors
    say; the images are whole patches, or cut-outs around positions.
    """

    rerun: str = "pdr3_dud"
    """Data release of the images, such as pdr3_dud, pdr3_wide or pdr2_dud."""
    tracts: tuple[int, ...] = ()
    """Whole tracts of 9 x 9 patches; those that the archive lacks are no failure."""
    patches: tuple[str, ...] = ()
    """Single patches, written as "9813-4,4"."""
    cutouts: str = ""
    """Table with ra and dec, in degrees: cut-outs there in place of whole patches."""
    half_size_arcsec: float = 10.0
    """Half the side of a cut-out."""
    box: tuple[float, ...] = ()
    """Least and largest RA, least and largest Dec, in degrees: rows to ask for of tables that
    a service selects, and the sky of an image of E(B-V). Empty asks for all rows."""


def refuse_secrets(where: str, url: str) -> None:
    """Refuse an address with a password in it, which would end up in copies of the settings.

    Raises
    ------
    ConfigError
    """
    if "@" in urlsplit(url).netloc:
        raise ConfigError(
            f"{where} has a login in its address; take it out and set environment variables or "
            "the netrc file"
        )

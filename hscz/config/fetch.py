"""Settings of `hscz fetch`: where the archives are, whose login goes where, what a field needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from typing import Annotated
from urllib.parse import urlsplit

from annotated_types import Ge, Le
from pydantic import AfterValidator, WithJsonSchema

from hscz.config.section import section
from hscz.config.values import Natural, Number, Positive, Whole, written_as
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


def _no_secrets(url: str) -> str:
    try:
        refuse_secrets("", url)
    except ConfigError as error:
        raise ValueError(str(error).lstrip()) from None
    return url


def _four_sides(box: tuple[float, ...]) -> tuple[float, ...]:
    # A box across right ascension 0 has its least RA above its largest.
    if box and not (len(box) == 4 and -90 <= box[2] < box[3] <= 90):
        raise ValueError(
            f"is {list(box)}; give least and largest RA, least and largest Dec in degrees"
        )
    return box


Address = Annotated[str, AfterValidator(_no_secrets)]
VARIABLE = "[A-Z][A-Z0-9_]*"


def _no_password(prefix: str) -> str:
    # What stands there may be a password, so it is not repeated.
    if not re.fullmatch(VARIABLE, prefix):
        raise ValueError(
            "is not how names of environment variables begin, such as HSC_SSP_CAS; write that "
            "there, and never a password"
        )
    return prefix


Login = Annotated[
    str,
    AfterValidator(_no_password),
    WithJsonSchema({"type": "string", "pattern": f"^{VARIABLE}$"}),
]
Patch = Annotated[str, *written_as("[0-9]+-[0-8],[0-8]", "tract and patch as '9813-4,4'")]


@section
class FetchConfig:
    """Section [fetch]: how files come from the archives."""

    jobs: Annotated[Whole, Ge(1), Le(32)] = 4
    """Downloads at a time."""
    requests_per_second: Annotated[Number, Ge(0.001), Le(100)] = 4.0
    """Most requests a second, over all downloads."""
    tries: Annotated[Whole, Ge(1), Le(100)] = 6
    """How often to ask before a file is left out."""
    wait_s: Annotated[Number, Ge(0), Le(3600)] = 5.0
    """Wait before the second try; it doubles with each further one, up to five minutes."""
    timeout_s: Annotated[Number, Ge(1), Le(3600)] = 60.0
    """How long a server may be silent."""
    images: dict[str, Address] = field(default_factory=dict)
    """Addresses of whole patches for filters whose name begins so, beside or in place of those
    of `IMAGES`, with {rerun}, {filter}, {tract} and {patch}: {VIRCAM- = "https://..."}."""
    logins: dict[str, Login] = field(default_factory=dict)
    """Hosts that get a login, beside or in place of those of `LOGINS`. Give no password here:
    the value is how the names of the environment variables begin. A netrc file does as well."""
    cutouts: Address = "https://hsc-release.mtk.nao.ac.jp/das_cutout/pdr3/cgi-bin/cutout"
    """Address of the cut-out server of HSC."""
    vizier: Address = "https://vizier.cds.unistra.fr"
    """Address of VizieR."""
    irsa: Address = "https://irsa.ipac.caltech.edu/TAP"
    """Address of IRSA's tables."""
    irsa_dust: Address = "https://irsa.ipac.caltech.edu/cgi-bin/DUST/nph-dust"
    """Address of IRSA's images of E(B-V)."""
    sdss: Address = "https://skyserver.sdss.org"
    """Address of SDSS's SkyServer."""
    # The client finds this by asking the archive's registry for ivo://cadc.nrc.ca/argus.
    cadc: Address = "https://ws.cadc-ccda.hia-iha.nrc-cnrc.gc.ca/argus"
    """Address of CADC's tables."""

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


@section
class FieldFetch:
    """Section [fields.NAME.fetch]: what to get for one field.

    The files go where the field's ``images`` and tables say. Tables come as their descriptors
    say; the images are whole patches, or cut-outs around positions.
    """

    rerun: str = "pdr3_dud"
    """Data release of the images, such as pdr3_dud, pdr3_wide or pdr2_dud."""
    tracts: tuple[Natural, ...] = ()
    """Whole tracts of 9 x 9 patches; those that the archive lacks are no failure."""
    patches: tuple[Patch, ...] = ()
    """Single patches, written as "9813-4,4"."""
    cutouts: str = ""
    """Table with ra and dec, in degrees: cut-outs there in place of whole patches."""
    half_size_arcsec: Positive = 10.0
    """Half the side of a cut-out."""
    box: Annotated[tuple[Number, ...], AfterValidator(_four_sides)] = ()
    """Least and largest RA, least and largest Dec, in degrees: rows to ask for of tables that
    a service selects, and the sky of an image of E(B-V). Empty asks for all rows."""

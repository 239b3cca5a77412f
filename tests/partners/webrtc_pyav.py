"""The `whip` muxer of PyAV's FFmpeg as a client: webrtc_pyav.py URL TOKEN MJPEG FOLDER SECONDS.

It needs an ECDSA certificate of its own, which it makes in FOLDER.
"""

import datetime
import sys
import time
from fractions import Fraction
from pathlib import Path

import av
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

FPS = 15


def make_certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "camera")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(
        now + datetime.timedelta(days=1)
    )
    certificate = builder.sign(key, hashes.SHA256())
    files = folder / "camera.crt", folder / "camera.key"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.TraditionalOpenSSL
    files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return files


def main(url: str, token: str, mjpeg: str, folder: str, seconds: str) -> None:
    certificate, key = make_certificate(Path(folder))
    with av.open(mjpeg, format="mjpeg") as source:
        pictures = [frame.reformat(format="yuv420p") for frame in source.decode(video=0)]
    options = {"authorization": token, "cert_file": str(certificate), "key_file": str(key)}
    began = time.monotonic()
    with av.open(url, "w", format="whip", options=options) as sink:
        # Coded by hand, because the muxer wants the codec's header before the first packet.
        stream = sink.add_stream("libx264", rate=FPS, options={"tune": "zerolatency", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = pictures[0].width, pictures[0].height, "yuv420p"
        stream.codec_context.profile = "Baseline"
        stream.codec_context.gop_size = FPS
        stream.codec_context.max_b_frames = 0
        for number in range(round(float(seconds) * FPS)):
            frame = pictures[number % len(pictures)]
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            for packet in stream.encode(frame):
                sink.mux(packet)
            if number == 0:
                print(f"connected after {time.monotonic() - began:.2f} s", flush=True)
            time.sleep(max(0.0, began + number / FPS - time.monotonic()))


if __name__ == "__main__":
    main(*sys.argv[1:])

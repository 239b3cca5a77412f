from stream_server.ice import IceServer, ice_servers, turn_credential


def test_a_turn_credential_is_the_hmac_of_expiry_and_camera() -> None:
    # printf '1433065916:door' | openssl dgst -sha1 -hmac north -binary | base64
    assert turn_credential("north", "door", 1433065916) == ("1433065916:door", "9F/VLs1iJeVtrLX6rXmrFf3ir+k=")


def test_without_a_secret_there_are_only_stun_servers() -> None:
    servers = ice_servers(
        stun_urls=("stun:192.0.2.1",),
        turn_urls=("turn:192.0.2.2",),
        turn_secret=None,
        camera_id="door",
        expires_at_unix=9,
    )
    assert servers == (IceServer("stun:192.0.2.1"),)


def test_a_link_names_the_server_and_its_credential() -> None:
    stun, turn = ice_servers(
        stun_urls=("stun:192.0.2.1",),
        turn_urls=("turn:192.0.2.2",),
        turn_secret="s",
        camera_id="door",
        expires_at_unix=9,
    )
    assert stun.link() == '<stun:192.0.2.1>; rel="ice-server"'
    assert turn.link() == (
        f'<turn:192.0.2.2>; rel="ice-server"; username="9:door"; credential="{turn.credential}"; '
        'credential-type="password"'
    )
    assert turn.credential is not None
    assert turn.credential not in repr(turn)

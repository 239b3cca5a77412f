from tests.stream_server.ingest.peers import hub

__all__ = ["hub"]

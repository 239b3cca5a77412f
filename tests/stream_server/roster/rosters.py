"""Roster files for tests, made in memory."""

import io
import zipfile

MANIFEST = {"oneroster.version": "1.2", "manifest.version": "1.0"}

USERS = """sourcedId,status,dateLastModified,enabledUser,username,givenName,familyName
u1,,,true,ada,Ada,Lovelace
u2,,,true,alan,Alan,Turing
u3,,,true,grace,Grace,Hopper
u4,,,true,anne,Anne,Byron
"""
ROLES = """sourcedId,status,userSourcedId,roleType,role,orgSourcedId
r1,,u1,primary,student,o1
r2,,u2,primary,student,o1
r3,,u3,primary,teacher,o1
r4,,u4,primary,parent,o1
"""
ORGS = "sourcedId,name,type\no1,Some School,school\n"
COURSES = "sourcedId,title,orgSourcedId\nc1,Mathematics,o1\n"
SESSIONS = "sourcedId,title,type,startDate,endDate\nt1,Spring,term,2026-02-01,2026-07-01\n"
CLASSES = """sourcedId,title,courseSourcedId,schoolSourcedId,termSourcedIds
k1,Maths 7a,c1,o1,t1
"""
ENROLLMENTS = """sourcedId,classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate
e1,k1,o1,u1,student,false,,
e2,k1,o1,u2,student,false,2026-03-01,2026-04-01
e3,k1,o1,u3,teacher,true,,
"""
FILES = {
    "users": USERS,
    "roles": ROLES,
    "orgs": ORGS,
    "courses": COURSES,
    "academicSessions": SESSIONS,
    "classes": CLASSES,
    "enrollments": ENROLLMENTS,
}


def zipped(files: dict[str, str | bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def oneroster(mode: str = "bulk", version: str = "1.2", **changes: str) -> bytes:
    """An archive; `changes` replace tables by name, an empty one leaves it out."""
    tables = {name: text for name, text in (FILES | changes).items() if text}
    properties = MANIFEST | {"oneroster.version": version} | {f"file.{name}": mode for name in tables}
    manifest = "propertyName,value\n" + "".join(f"{key},{value}\n" for key, value in properties.items())
    return zipped({"manifest.csv": manifest, **{f"{name}.csv": text for name, text in tables.items()}})

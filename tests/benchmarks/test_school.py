from benchmarks.school import SchoolSize, write_school
from storage.database import open_connection


async def test_a_school_has_its_people_lessons_and_one_record_for_each_of_a_class(database_dsn: str) -> None:
    school = await write_school(database_dsn, SchoolSize(people=20, classes=4, lessons_of_a_class=7))
    connection = await open_connection(database_dsn)
    counts = await connection.fetchrow(
        """
        SELECT (SELECT count(*) FROM people), (SELECT count(*) FROM class_sessions), (SELECT count(*) FROM attendance),
               (SELECT count(*) FROM pg_indexes WHERE tablename = 'attendance')
        """
    )
    weekend = await connection.fetchval("SELECT count(*) FROM class_sessions WHERE extract(isodow FROM starts_at) > 5")
    await connection.close()
    assert tuple(counts or ()) == (20, 28, 140, 5)
    assert school.records == 140
    assert len(school.sessions) == 28
    assert weekend == 0

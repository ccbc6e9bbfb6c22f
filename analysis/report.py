from analysis.result import StudyResult
def write_report(result: StudyResult) -> None:
    result.dir.write_text(result.dir.report_page, "x")

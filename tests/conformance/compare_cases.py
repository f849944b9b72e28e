# SPDX-License-Identifier: MIT
"""
compare_cases.py PEP440 FILE...: asks the engine all questions of the files
(a question, then its expected answer, a line each) and compares.
"""

import json
import subprocess
import sys
import tempfile

SHOWN = 10

disagreements = total = 0

for path in sys.argv[2:]:
    with open(path, encoding="utf-8") as lines, \
            tempfile.TemporaryFile() as questions, \
            tempfile.TemporaryFile() as answers:
        expected = []
        for question in lines:
            questions.write(question.encode())
            expected.append(next(lines))
        questions.seek(0)
        subprocess.run([sys.argv[1]], stdin=questions, stdout=answers,
                       check=True)
        questions.seek(0)
        answers.seek(0)
        for wanted in expected:
            question, answer = questions.readline(), answers.readline()
            total += 1
            if answer.strip() == wanted.strip().encode() \
                    or answer and json.loads(answer) == json.loads(wanted):
                continue
            disagreements += 1
            if disagreements <= SHOWN:
                print("question", question.decode().strip())
                print("  packaging", wanted.strip())
                print("  engine   ", answer.decode().strip())
        if answers.readline():
            sys.exit(f"{path}: more answers than questions")
    print(f"{path.rsplit('/', 1)[-1]}: {len(expected)} cases")

print(f"conformance: {total} cases, {disagreements} disagreements")
sys.exit(disagreements > 0)

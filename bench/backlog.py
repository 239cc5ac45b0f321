def run(*, messages: int, seconds: int) -> bool: return True

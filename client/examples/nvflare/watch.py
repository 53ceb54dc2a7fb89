# mypy: disable-error-code="import-not-found,import-untyped,misc"
"""A FLARE workflow that has every site evaluate the champion, window after window."""

from nvflare.app_common.workflows.model_controller import ModelController

PATIENCE = 120  # seconds; a site that takes longer is reported as timed out


class Watch(ModelController):
    """Sends the model to all sites as the task ``validate``, ``windows`` times; changes nothing.

    The round number is the number of the window, from ``first_window``.
    """

    def __init__(
        self, windows: int, first_window: int = 0, persistor_id: str = "persistor"
    ) -> None:
        super().__init__(persistor_id=persistor_id, task_check_period=0.1)
        self.windows, self.first_window = windows, first_window

    def run(self) -> None:
        """Ask about one window after the other."""
        model = self.load_model()
        model.total_rounds = self.windows
        for window in range(self.windows):
            model.current_round = window
            self.send_model_and_wait(task_name="validate", data=model, timeout=PATIENCE)
